"""Ray: workers of Ray Train, and examples/convert_ray.py."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.photos import contents, draw

import fmnist_fast as ff

pytest.importorskip("ray")
EXAMPLES = Path(__file__).parents[1] / "examples"
# Ray prints many warnings and leaves a session behind, so it runs in other processes.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


def run_python(words, **environment):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | QUIET | environment,
    )


def test_workers_of_ray_train_share_the_batches_of_one_process(tmp_path, loopback):
    pytest.importorskip("torch")
    pytest.importorskip("ray.train")
    done = run_python(
        [Path(__file__).with_name("helpers") / "ray_training.py", tmp_path]
    )
    assert done.returncode == 0, done.stderr
    rest = {"world": 2, "rows": 1000}
    assert json.loads(done.stdout) == [{"rank": rank, **rest} for rank in range(2)]


# ---- examples/convert_ray.py --------------------------------------------------------

CONVERSIONS = """
import json, sys
import ray
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20)
import convert_ray
print(json.dumps([convert_ray.main(words) for words in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def converted(tmp_path_factory, loopback):
    """Convert folders of photos; return their parent, exit codes and the process."""
    pytest.importorskip("ray.data")
    root = tmp_path_factory.mktemp("convert")
    for i in range(45):
        name = ("shoe", "bag", "hat")[i % 3]
        below = "" if i % 2 else "more/"
        photo = f"{name}/{below}{i}.{('png', 'bmp', 'jpg')[i % 5 % 3]}"
        for folder in ("good", "damaged"):
            draw(root / folder / photo, i)
    draw(root / "splits" / "train" / "a" / "1.png", 1)
    draw(root / "splits" / "test" / "b" / "2.png", 2)
    bag = root / "damaged" / "bag"
    cut = draw(bag / "cut.jpg", 99, (200, 200))
    cut.write_bytes(cut.read_bytes()[:3000])
    (bag / "text.png").write_text("text")
    (bag / "gone.png").symlink_to(bag / "nothing")
    (root / "bad" / "a").mkdir(parents=True)
    (root / "bad" / "a" / "x.png").write_text("bad")
    (root / "of good.part").mkdir()  # left by a run that was killed
    (root / "of good.part" / "train-00009-images-idx3-ubyte").touch()
    names = ["good", "damaged", "splits", "bad"]
    words = [
        [str(root / name), str(root / f"of {name}"), "--photos-per-file", "16"]
        for name in names
    ]
    done = run_python(
        ["-c", CONVERSIONS, json.dumps(words)],
        PYTHONPATH=os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")]),
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    return root, dict(zip(names, codes)), done


def read_all(folder, split):
    """Return the images and labels of all files of a split, in order."""
    paths = sorted(folder.glob(f"{split}-*-images-idx3-ubyte"))
    images = [ff.read_idx(path) for path in paths]
    labels = [
        ff.read_idx(str(path).replace("images-idx3", "labels-idx1")) for path in paths
    ]
    assert [len(part) for part in images] == [len(part) for part in labels]
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("name", ["good", "damaged", "splits"])
def test_files_together_equal_those_of_convert_folder(converted, tmp_path, name):
    root, codes, _ = converted
    want = ff.convert_folder(root / name, tmp_path / "want")
    assert codes[name] == (1 if want.n_bad else 0)
    out = root / f"of {name}"
    for split in want.n_images:
        images, labels = read_all(out, split)
        dataset = ff.load(split, root=tmp_path / "want")
        assert np.array_equal(images, dataset.images)
        assert np.array_equal(labels, dataset.labels)
    for file in ("dataset.json", "bad-photos.txt"):
        if (tmp_path / "want" / file).exists():
            content = (tmp_path / "want" / file).read_bytes()
            assert (out / file).read_bytes() == content
        else:
            assert not (out / file).exists()


def test_names_and_sizes_of_files(converted):
    root, _, _ = converted
    kinds = ("images-idx3", "labels-idx1")
    want = [f"train-0000{i}-{kind}-ubyte" for i in range(3) for kind in kinds]
    assert sorted(contents(root / "of good")) == ["dataset.json", *want]
    sizes = [len(ff.read_idx(root / "of good" / name)) for name in want]
    assert sizes == [16, 16, 16, 16, 13, 13]


def test_damaged_photos_are_reported(converted):
    _, _, done = converted
    assert "Photos that could not be converted: 3" in done.stderr
    for words in (
        "bag/cut.jpg: image file is truncated",
        "bag/gone.png: No such file or directory",
        "bag/text.png: a photo must be an undamaged file in ",
    ):
        assert words in done.stderr


def test_no_good_photo_leaves_nothing(converted):
    root, codes, done = converted
    assert codes["bad"] == 1 and not (root / "of bad").exists()
    assert "None of 1 photos could be converted" in done.stderr
    assert not list(root.glob("*.part"))


def test_bad_arguments_are_reported_before_ray_starts(converted, tmp_path):
    root, _, _ = converted
    (tmp_path / "none").mkdir()
    for source, out, words, message in (
        (root / "good", root / "of good", [], "of good already exists"),
        (root / "gone", tmp_path / "out", [], "gone: there is no such folder"),
        (root / "good", root / "good" / "out", [], "must not be in"),
        (tmp_path / "none", tmp_path / "out", [], "must have a subfolder for each"),
        (root / "good", tmp_path / "out", ["--photos-per-file=0"], "at least 1, got 0"),
    ):
        done = run_python([EXAMPLES / "convert_ray.py", source, out, *words])
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert "Started a local Ray instance" not in done.stderr


@pytest.fixture
def convert_ray(monkeypatch):
    """Import the program as a module that converts in this process, without Ray."""
    spec = importlib.util.spec_from_file_location(
        "convert_ray", EXAMPLES / "convert_ray.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def convert_here(parts, address):
        return [module.convert_part(part) for part in parts]

    monkeypatch.setattr(module, "convert_parts", convert_here)
    return module


@pytest.mark.parametrize("n_written", range(6))
def test_a_run_that_fails_leaves_a_label_file_for_each_image_file(
    converted, tmp_path, monkeypatch, convert_ray, n_written
):
    root, _, _ = converted
    words = [str(root / "good"), str(tmp_path / "out"), "--photos-per-file", "16"]
    write, written = ff.write_idx, []

    def write_some(path, array):
        if len(written) == n_written:
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, array)

    with monkeypatch.context() as patch:
        patch.setattr(ff, "write_idx", write_some)
        with pytest.raises(OSError, match="No space left"):
            convert_ray.main(words)
    assert not (tmp_path / "out").exists()
    part = tmp_path / "out.part"
    assert len(list(part.glob("*images-idx3-ubyte"))) == n_written // 2
    if n_written > 1:
        read_all(part, "train")
    assert convert_ray.main(words) == 0
    assert contents(tmp_path / "out").keys() == contents(root / "of good").keys()
    assert read_all(tmp_path / "out", "train")[1].sum() == 45
    assert not part.exists()
