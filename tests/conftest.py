"""Fixtures that the tests share: small datasets, the published files, and servers."""

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS
from hypothesis import HealthCheck, settings

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast._show import batch, contact_sheet

pytest_plugins = [
    "helpers.dataset_files",  # before those that import it
    "helpers.command_line",
    "helpers.compilers",
    "helpers.copies",
    "helpers.fake_driver",
    "helpers.idx_files",
    "helpers.loopback",
]

# Examples may be slow on a busy machine. All examples of a test share its temporary
# folder.
settings.register_profile(
    "here",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("here")


def pytest_collection_finish():
    """Exclude the objects that exist before the tests from garbage collection.

    Otherwise each `gc.collect` in a test takes half a second, for the objects of the
    frameworks.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    """Keep the user's cache folder and the source tree out of the tests.

    The tests run in an empty folder, because processes that they start can import
    modules from the working folder.
    """
    data = os.environ.get("FMNIST_FAST_DATA")
    with pytest.MonkeyPatch.context() as patch:
        if data:
            patch.setenv("FMNIST_FAST_DATA", os.path.abspath(data))
        patch.setenv("FMNIST_FAST_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield


@pytest.fixture(scope="session")
def real_root():
    """Return the folder of the published files, which $FMNIST_FAST_DATA names."""
    root = os.environ.get("FMNIST_FAST_DATA")
    if not root:
        pytest.skip("FMNIST_FAST_DATA does not name the published Fashion-MNIST files")
    return Path(root)


@pytest.fixture(scope="session")
def real_train(real_root):
    """Return the published training split."""
    return ff.load("train", real_root)


@pytest.fixture(scope="session")
def small():
    """Return 1000 synthetic images in ten classes."""
    return ff.synthetic(1000, 100)[0]


@pytest.fixture(scope="session")
def small_in_files(small, tmp_path_factory):
    """Return the images of `small` in three files."""
    folder = tmp_path_factory.mktemp("small")
    for k, rows in enumerate(np.split(np.arange(len(small)), [100, 600])):
        ff.write_idx(folder / f"{k}-images-idx3-ubyte", small.images[rows])
        ff.write_idx(folder / f"{k}-labels-idx1-ubyte", small.labels[rows])
    return ff.load_files(folder / "*idx3*", classes=small.classes)


@pytest.fixture(scope="session")
def odd():
    """Return 517 random 5x7 images in three classes."""
    # The counts and sides are odd, to test the remainders of vectors and batches.
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (517, 5, 7), dtype=np.uint8)
    return ff.Dataset.from_arrays(images, rng.integers(0, 3, 517, dtype=np.uint8))


@pytest.fixture
def six():
    """Return six 4x3 images in three classes."""
    return ff.Dataset.from_arrays(IMAGES, LABELS, classes=["a", "b", "c"], name="six")


@pytest.fixture
def pictures(six):
    """Return the dataset `six` with Pillow images."""
    pytest.importorskip("PIL.Image")
    return six.with_format("pil")


@pytest.fixture
def sheets(monkeypatch):
    """Return a list that collects the arguments of each contact sheet drawn."""
    pytest.importorskip("PIL.Image")
    calls, draw = [], contact_sheet.contact_sheet

    def keep(images, captions, **options):
        calls.append((images, captions, options))
        return draw(images, captions, **options)

    for module in (contact_sheet, batch):
        monkeypatch.setattr(module, "contact_sheet", keep)
    return calls


@pytest.fixture(params=_core.cpu_levels())
def cpu_level(request):
    """Run the test with the kernels of each instruction set of this machine."""
    before = _core.get_cpu_level()
    _core.set_cpu_level(request.param)
    yield request.param
    _core.set_cpu_level(before)


@pytest.fixture
def no_proxies(monkeypatch):
    """Use no proxy for 127.0.0.1, and trust only the usual certificates."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("FMNIST_FAST_OFFLINE", raising=False)


@pytest.fixture
def few_threads(monkeypatch):
    """Return a function, after whose call only `n` more Python threads can start."""

    def limit(n, error=RuntimeError):
        permits, start = iter(range(n)), threading.Thread.start

        def start_or_fail(thread):
            if next(permits, None) is None:
                raise error("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)

    return limit


@pytest.fixture
def http(no_proxies):
    """Yield an HTTP server."""
    from helpers.server import Server

    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Return a certificate authority that only these tests know, and its file."""
    import trustme

    authority = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, path


@pytest.fixture
def https(no_proxies, authority):
    """Yield an HTTPS server with a certificate of `authority`."""
    from helpers.server import Server

    with Server(authority[0].issue_cert("127.0.0.1")) as server:
        yield server


@pytest.fixture
def trusted(no_proxies, authority, monkeypatch):
    """Trust the certificates of `authority`, and repeat failed requests soon."""
    from fmnist_fast._download import transfer

    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0.01)


@pytest.fixture
def downloads(no_proxies, tmp_path, monkeypatch):
    """Return the folder of downloaded files in an empty cache folder."""
    from fmnist_fast._download import transfer

    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0.01)
    return tmp_path / "cache" / "remote"
