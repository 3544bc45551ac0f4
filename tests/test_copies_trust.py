"""Copies that somebody else may have written are not used."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers.copies import (
    OTHER,
    PUBLISHED,
    check_healed,
    check_not_kept,
    forge,
    link_to,
    names,
    posix,
    root,
)

from fmnist_fast._load import copies
from fmnist_fast._load.copies import load_copy, load_or_make
from fmnist_fast._registry import hashes
from fmnist_fast._registry.datasets import DATASETS

# ---- forgery ------------------------------------------------------------------------


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_other_pixels_under_a_right_checksum_are_not_published_ones(saved, made):
    forge(saved, OTHER, PUBLISHED)
    check_healed(saved, made)


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_a_copy_from_another_cache_is_made_again(saved, made, tmp_path):
    other = saved._replace(cache=tmp_path / "other", make=lambda: (OTHER, PUBLISHED))
    load_or_make(other)
    os.replace(other.path, saved.path)
    check_healed(saved, made)


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"k" * 31),
        lambda path: path.write_bytes(b"k" * 33),
        lambda path: path.write_bytes(os.urandom(32)),
        lambda path: path.write_bytes(b"k" * 32) and path.chmod(0o620),
        lambda path: path.touch(0),
        link_to("thesis"),
        link_to("missing"),
        link_to("key"),
        os.mkfifo,
    ],
)
@posix
def test_a_key_that_cannot_be_trusted_is_replaced(saved, made, make):
    before = (saved.cache / "key").read_bytes()
    (saved.cache / "thesis").write_bytes(b"t" * 32)
    (saved.cache / "key").unlink()
    make(saved.cache / "key")
    check_healed(saved, made)
    after = (saved.cache / "key").read_bytes()
    assert len(after) == 32 and after != before
    assert (saved.cache / "thesis").read_bytes() == b"t" * 32
    assert sorted(os.listdir(saved.cache)) == ["decoded", "key", "thesis"]


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_a_folder_in_place_of_the_key_is_set_aside(saved, made):
    (saved.cache / "key").unlink()
    (saved.cache / "key").mkdir()
    (saved.cache / "key" / "thesis").touch()
    check_healed(saved, made)
    aside, *others = sorted(os.listdir(saved.cache))
    assert re.fullmatch(r"\.key\.[0-9a-f]{12}\.old", aside)
    assert others == ["decoded", "key"]
    assert os.listdir(saved.cache / aside) == ["thesis"]


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_without_its_lock_no_key_is_made(copy, made):
    (copy.cache / "key.lock").mkdir(parents=True)
    copy.cache.chmod(0o700)
    check_not_kept(copy, made, "key.lock'")
    assert sorted(os.listdir(copy.cache)) == ["decoded", "key.lock"]


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_leftovers_of_the_key_are_removed(saved, made):
    (saved.cache / "key").rename(saved.cache / ".key.0123456789ab.part")
    check_healed(saved, made)
    assert sorted(os.listdir(saved.cache)) == ["decoded", "key"]


@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_a_copy_of_root_without_a_readable_key_is_compared_with_its_hash(
    saved, monkeypatch
):
    (saved.cache / "key").unlink()
    content = DATASETS["fashion-mnist"].sha256_of("t10k-labels-idx1-ubyte")[1]
    for is_ours in (False, True):
        for digest in (content, "another"):
            monkeypatch.setattr(copies, "is_ours", lambda _, value=is_ours: value)
            monkeypatch.setattr(hashes, "published_sha256", lambda *_, d=digest: d)
            is_used = load_copy(saved) is not None
            assert is_used == (digest == content and not is_ours)


# ---- other users --------------------------------------------------------------------


@posix
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_copy_that_others_can_write_is_made_again(saved, made, bits):
    saved.path.chmod(0o600 | bits)
    check_healed(saved, made)
    assert saved.path.stat().st_mode & 0o777 == 0o600


@posix
@pytest.mark.parametrize("bits", [0o020, 0o002])
@pytest.mark.parametrize("place", [".", "decoded"])
def test_a_folder_that_others_can_write_is_not_used(saved, made, place, bits):
    forge(saved, OTHER, None)
    (saved.cache / place).chmod(0o700 | bits)
    before = saved.path.read_bytes()
    check_not_kept(saved, made, "is writable by other users .run chmod go-w /.*.: '/")
    assert names(saved) == ["a.bin"] and saved.path.read_bytes() == before


@posix
def test_a_folder_of_another_user_is_not_used(saved, made, monkeypatch):
    uid = os.geteuid()
    if uid == 0:
        pytest.skip("folders of root are trusted. Other tests give folders away")
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    check_not_kept(saved, made, f"belongs to another user, number {uid}")


@root
def test_a_copy_that_another_user_wrote_is_made_again(saved, made):
    forge(saved, OTHER, None)
    os.chown(saved.path, 4711, 4711)
    check_healed(saved, made)
    assert saved.path.stat().st_uid == 0


@root
@pytest.mark.parametrize("place", [".", "decoded"])
def test_a_folder_that_another_user_owns_is_not_used(saved, made, place):
    os.chown(saved.cache / place, 4711, 4711)
    check_not_kept(saved, made, "belongs to another user, number 4711")


@root
@pytest.mark.parametrize("sha256", [PUBLISHED], indirect=True)
def test_the_key_of_another_user_is_replaced(saved, made):
    os.chown(saved.cache / "key", 4711, 4711)
    check_healed(saved, made)
    assert (saved.cache / "key").stat().st_uid == 0


SHARE = """
import os, subprocess, sys, warnings
import fmnist_fast as ff
from fmnist_fast._load import cache
from fmnist_fast._synthetic import garments

def load():
    print(ff.load("test", sys.argv[1]).name, ff.synthetic(100, 10)[0].fingerprint)

warnings.simplefilter("error")
load()
subprocess.run(["chmod", "-R", "go+rX", f"{sys.argv[1]}/cache"], check=True)
os.chmod(f"{sys.argv[1]}/cache/key", int(sys.argv[2], 8))
os.setgroups([])
os.setgid(4711)
os.setuid(4711)
cache.read_content = garments.draw = None
load()
"""


@root
@pytest.mark.parametrize("mode_of_key", ["644", "600"])
def test_a_read_only_cache_of_root_serves_other_users(real_root, mode_of_key):
    with tempfile.TemporaryDirectory() as folder:
        for path in real_root.glob("t10k-*.gz"):
            shutil.copy(path, folder)
            Path(folder, path.name).chmod(0o644)  # later, it would alter the ctime
        Path(folder).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", SHARE, folder, mode_of_key],
            env=os.environ | {"FMNIST_FAST_CACHE": f"{folder}/cache"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert first == second and first.startswith("fashion-mnist ")
        assert len(list(Path(folder, "cache").rglob("*.bin"))) == 4
