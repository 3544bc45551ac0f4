"""Mapped files that become shorter while they are in use (src/faults.c).

Each script runs in a process of its own, because a mistake ends it with SIGBUS.
"""

import os
import signal
import sys
import textwrap

import pytest
from helpers.shorter_files import check, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGBUS")


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize(
    "options",
    ["", "shuffle=True", "shuffle=True, shuffle_block=64", "augment='standard'"],
)
def test_batches_of_a_shorter_file_are_an_error(tmp_path, threads, options):
    check(
        tmp_path,
        f"""
        write(0), (path := write(1))
        loader = ff.Loader(load(), 64, threads={threads}, normalize=None, {options})
        batches = iter(loader)
        taken = [next(batches)]
        os.truncate(path, 1 << 20)
        expect(lambda: taken.extend(batches), path)
        assert loader.state_dict()["position"] == 64 * len(taken)
        if loader.augment is None:
            assert all(images.min() > 0 for images, _ in taken)
        expect(lambda: next(batches), path)  # not only once
        expect(lambda: list(loader), path)  # in the next epoch too
        write(1)
        batches = list(ff.Loader(load(), 64, threads={threads}, {options}))
        assert sum(len(labels) for _, labels in batches) == 2 * N
        """,
    )


@pytest.mark.parametrize("nbytes", [0, 1, 5000, 8192])
def test_any_new_size_is_an_error(tmp_path, nbytes):
    check(
        tmp_path,
        f"""
        path = write(0)
        dataset = load()
        loader = ff.Loader(dataset, 100, normalize=None)
        os.truncate(path, {nbytes})
        expect(lambda: list(loader), path)
        expect(lambda: dataset.images[N - 1].sum(), path)
        """,
    )


def test_a_decoded_copy_that_becomes_shorter_is_an_error(tmp_path):
    check(
        tmp_path,
        """
        path = write(0, ".gz")
        dataset = load()
        (copy,) = (folder / "cache" / "decoded").glob("part0-images*.bin")
        os.truncate(copy, 4096)
        name = f"{copy} (a decoded copy of {path})"
        expect(lambda: list(ff.Loader(dataset, 100, shuffle=True)), name)
        expect(lambda: dataset.mean, name)
        del dataset
        assert load().images[N - 1].min() > 0  # decoded again
        assert copy.stat().st_size == 4096 + 1024 * N
        """,
    )


def test_labels_in_a_shorter_copy_are_an_error(tmp_path):
    check(
        tmp_path,
        """
        images = np.ones((20000, 2, 2), np.uint8)
        ff.write_idx(folder / "train-images-idx3-ubyte", images)
        ff.write_idx(folder / "train-labels-idx1-ubyte.gz", np.ones(20000, np.uint8))
        (folder / "dataset.json").write_text('{"classes": ["a", "b"]}')
        loader = ff.Loader(ff.load("train", folder), 64, normalize=None)
        (copy,) = (folder / "cache" / "decoded").glob("*labels*.bin")
        labels = folder / "train-labels-idx1-ubyte.gz"
        os.truncate(copy, 8192)
        name = f"{copy} (a decoded copy of {labels})"
        expect(lambda: list(loader), name)
        """,
    )


def test_a_copy_that_becomes_shorter_while_it_is_checked_is_not_used(tmp_path):
    check(
        tmp_path,
        """
        from fmnist_fast._load import copies

        write(0, ".gz")
        expected = np.asarray(load().images)
        tag, (copy,) = copies._tag, folder.glob("cache/decoded/*images*.bin")

        def truncate_first(key, text, flat):
            os.truncate(copy, 4096)
            copies._tag = tag
            return tag(key, text, flat)

        copies._tag = truncate_first
        images = ff.load_files(folder / "part*images*").images
        assert np.array_equal(images, expected)
        """,
    )


def test_statistics_of_a_shorter_file_are_an_error(tmp_path):
    check(
        tmp_path,
        """
        write(0), (path := write(1))
        dataset, other = load(), load()
        os.truncate(path, 1 << 20)
        expect(lambda: dataset.std, path)
        expect(lambda: dataset.std, path)  # the zeros are no result
        expect(lambda: ff.Loader(other, 64, normalize="dataset"), path)
        """,
    )


def test_numpy_reads_of_a_shorter_file_are_an_error(tmp_path):
    check(
        tmp_path,
        """
        write(0), (path := write(1))
        images = load().images
        view = images.parts[1]
        os.truncate(path, 1 << 20)
        for read in (lambda: view.sum(), lambda: images[2 * N - 1].tolist(),
                     lambda: np.asarray(images), lambda: view == 0,
                     lambda: images[[3, 2 * N - 2]], lambda: images[N - 2:],
                     lambda: bytes(memoryview(view))):
            for _ in range(3):
                expect(read, path)
        assert images[0].min() > 0 and images[[1, 2]].min() > 0  # of the other file
        """,
    )


def test_reads_of_datasets_are_errors(tmp_path):
    check(
        tmp_path,
        """
        write(0), (path := write(1))
        dataset = load()
        os.truncate(path, 1 << 20)
        part = dataset.select([2 * N - 1])
        for read in (lambda: part.images / 255, lambda: part.mean, dataset.to_sklearn,
                     lambda: dataset[[0, 2 * N - 3]], lambda: dataset.fingerprint,
                     lambda: np.asarray(dataset.concatenate(part).images),
                     lambda: dataset.filter(lambda row: row["image"].any()),
                     lambda: ff.Loader(dataset, augment="standard", normalize=None)
                             .augment_preview(2 * N - 1, 2)):
            expect(read, path)
        """,
    )


def test_reads_in_other_threads(tmp_path):
    """Reads of the package raise in their thread, and others in the main thread."""
    check(
        tmp_path,
        """
        write(0), (path := write(1))
        images = load().images
        os.truncate(path, 1 << 20)
        n_expected = []

        def use_package():
            barrier.wait()
            expect(lambda: np.asarray(images), path)
            n_expected.append(1)

        barrier = threading.Barrier(4)
        threads = [threading.Thread(target=use_package) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(n_expected) == 4

        def read():
            time.sleep(0.2)  # an error in Thread.start() would leave a lock
            images.parts[1].sum()

        thread = threading.Thread(target=read)
        thread.start()
        expect(lambda: [time.sleep(0.01) for _ in range(1000)], path)
        thread.join()
        """,
    )


def test_a_file_that_is_dropped_at_once_is_named(tmp_path):
    check(
        tmp_path,
        """
        path = write(0)

        def last_row():
            images = load().images
            os.truncate(path, 4096)
            return images.parts[0][N - 1] + 1

        expect(last_row, path)
        """,
    )


def test_maps_in_the_place_of_damaged_ones_are_whole(tmp_path):
    check(
        tmp_path,
        """
        path = folder / "small"

        def map_whole(name):
            with open(path, "rb") as file:
                return files.map_file(file, name)

        for _ in range(20):
            path.write_bytes(b"x" * 8192)
            small = map_whole("small")
            os.truncate(path, 4096)
            expect(lambda: bytes(small), "small")
            del small
        path.write_bytes(b"x" * (1 << 16))
        larger = [map_whole("larger") for _ in range(20)]
        with _core.FileReads(larger):
            assert all(bytes(each) == b"x" * (1 << 16) for each in larger)
        """,
    )


def test_many_maps(tmp_path):
    check(
        tmp_path,
        """
        paths = [folder / str(i) for i in range(3000)]
        for path in paths:
            path.write_bytes(b"x" * 8192)

        def map_all():
            maps = []
            for path in paths:
                with open(path, "rb") as file:
                    maps.append(_core.FileMap(file.fileno(), 8192, str(path)))
            return maps

        def map_often():
            for _ in range(5):
                map_all()

        threads = [threading.Thread(target=map_often) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        maps = map_all()
        for i in (0, 1234, 2999):
            os.truncate(paths[i], 0)
            expect(lambda: bytes(maps[i]), paths[i])
            assert bytes(maps[i - 1]) == b"x" * 8192 if i else True
        """,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_map_without_memory_is_an_error(tmp_path):
    check(
        tmp_path,
        """
        import resource
        path, name, errors = write(0), "x" * (1 << 28), []
        nbytes = int(open("/proc/self/statm").read().split()[0]) * 4096
        with open(path, "rb") as file:
            # Room for none or for one of two copies of the name. Python may have
            # reserved the memory for the other.
            for room in (1 << 27, 3 << 27):
                limits = nbytes + room, resource.RLIM_INFINITY
                resource.setrlimit(resource.RLIMIT_AS, limits)
                try:
                    _core.FileMap(file.fileno(), 1, name)
                except MemoryError as error:
                    errors.append(str(error))
            assert "there is not enough memory to map another file" in errors, errors
            bytes(_core.FileMap(file.fileno(), 1, "name"))
        """,
    )


def test_a_system_call_that_reads_a_missing_part_fails(tmp_path):
    check(
        tmp_path,
        """
        path = write(0)
        images = load().images
        os.truncate(path, 0)
        with open(folder / "copy", "wb", buffering=0) as file:
            try:
                file.write(images[N - 1])
            except OSError as error:
                assert error.strerror == "Bad address"
            else:
                raise SystemExit("no OSError")
        """,
    )


def test_a_forked_child_gets_the_error(tmp_path):
    check(
        tmp_path,
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        path = write(0)
        dataset = load()
        list(ff.Loader(dataset, 64, normalize=None))
        os.truncate(path, 4096)
        for read in (lambda: list(ff.Loader(dataset, 64, normalize=None)),
                     lambda: dataset.images[N - 1].sum()):
            child = os.fork()
            if child == 0:
                expect(read, path)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
    )


def test_a_dataloader_worker_ends_with_an_error(tmp_path):
    """PyTorch replaces the handler in its workers."""
    pytest.importorskip("torch")
    done = run(
        tmp_path,
        """
        import torch
        torch.multiprocessing.set_sharing_strategy("file_system")
        path = write(0)
        rows = load()
        loader = torch.utils.data.DataLoader(rows, 64, num_workers=1, timeout=20,
                                             multiprocessing_context="fork")
        os.truncate(path, 4096)
        for batch in loader:
            assert batch["image"][3:].amin() > 0
        """,
    )
    assert done.returncode == 1 and "Bus error" in done.stderr, done.stderr


# ---- other faults -------------------------------------------------------------------

FAULTHANDLER = {
    "never": "",
    "before": "faulthandler.enable()\nload_now()",
    "after": "load_now()\nfaulthandler.enable()",
}


@pytest.mark.parametrize("enabled", FAULTHANDLER)
def test_other_faults_end_the_process(tmp_path, enabled):
    done = run(
        tmp_path,
        f"""
        write(0)

        def load_now():
            global dataset
            dataset = load()

        {textwrap.indent(FAULTHANDLER[enabled], " " * 8).lstrip() or "load_now()"}
        foreign = foreign_map()
        print("ready", flush=True)
        foreign[4096]
        """,
    )
    assert done.stdout == "ready\n"
    assert done.returncode == -signal.SIGBUS
    assert ("Bus error" in done.stderr) == (enabled != "never"), done.stderr


@pytest.mark.parametrize("enabled", ["never", "before"])
def test_a_sent_signal_ends_the_process(tmp_path, enabled):
    code = "write(0), load(), os.kill(os.getpid(), signal.SIGBUS)"
    options = ["-X", "faulthandler"] * (enabled == "before")
    done = run(tmp_path, code, *options)
    assert done.returncode == -signal.SIGBUS
    assert ("Bus error" in done.stderr) == (enabled != "never"), done.stderr


def test_the_handler_before_gets_other_signals(tmp_path):
    code = """
        got = []
        signal.signal(signal.SIGBUS, HANDLER)
        path = write(0)
        images = load().images
        os.kill(os.getpid(), signal.SIGBUS)
        assert len(got) == COUNT
        os.truncate(path, 0)
        expect(lambda: np.asarray(images), path)
        assert len(got) == COUNT
        """
    ignored = code.replace("HANDLER", "signal.SIG_IGN").replace("COUNT", "0")
    check(tmp_path, ignored)
    own = code.replace("HANDLER", "lambda *_: got.append(1)").replace("COUNT", "1")
    check(tmp_path, own)
