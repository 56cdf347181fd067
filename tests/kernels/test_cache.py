"""Kept code is used only if it is whole, made from these very sources, and not by somebody else."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cgan_raw
from cgan_raw.kernels import cache, compile
from cgan_raw.kernels.batch.cpu import batch_gather

KERNELS = Path(cache.__file__).parent

#: Prints what dropout makes of ones; its code has functions of philox/cpu.py inside.
DROPOUT = """
import numpy as np
from cgan_raw.kernels.dropout.cpu import dropout_forward
y, x, mask = np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32), np.zeros((8, 8), np.uint8)
dropout_forward(y, mask, x, np.zeros(1, np.int64), np.uint64(7), 16, 0.4, 0)
print(y.tolist())
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder of an empty cache that is used from here on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compile._folder.cache_clear()
    yield tmp_path / "cgan_raw"
    compile._folder.cache_clear()


def gather_by_new_code():
    """(hits in the cache, result) of a kernel that this process has not compiled yet."""
    fresh = compile.kernel(batch_gather.py_func)
    x, y = np.zeros((3, 2), np.float32), np.zeros(3, np.int32)
    images, labels = np.arange(8, dtype=np.uint8).reshape(4, 2), np.arange(4, dtype=np.uint8)
    fresh(x, y, images, labels, np.array([3, 0, 2], np.int32))
    return sum(fresh.stats.cache_hits.values()), (x.tolist(), y.tolist())


def kept_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


# From these sources -------------------------------------------------------------------------------------------


def test_edit_of_a_function_that_is_inlined_elsewhere_is_seen(tmp_path):
    """With a warm cache, in a copy of the kernels."""
    shutil.copytree(KERNELS, tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "cgan_raw").mkdir()
    shutil.copy(cgan_raw.__file__, tmp_path / "cgan_raw")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def dropout() -> str:
        command = [sys.executable, "-c", DROPOUT]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
        return done.stdout

    before = dropout()
    source = tmp_path / "kernels" / "philox" / "cpu.py"
    source.write_text(source.read_text().replace("_UNIT = 2.0**-24", "_UNIT = 2.0**-23"))
    assert dropout() != before


def test_digest_is_of_every_source_and_version(tmp_path):
    copy = Path(shutil.copytree(KERNELS, tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__")))
    versions = ("3.11", "0.68")
    digests = [compile.sources_digest(copy, versions), compile.sources_digest(copy, ("3.11", "0.69"))]
    sources = list(copy.rglob("*.py"))
    assert {path.name for path in sources} >= {"microkernel.py", "cpu.py", "pool.py", "__init__.py"}
    for path in sources:
        content = path.read_bytes()
        path.write_bytes(content + b"#")
        digests.append(compile.sources_digest(copy, versions))
        path.write_bytes(content)
    assert len(set(digests)) == len(sources) + 2
    assert compile.sources_digest(copy, versions) == digests[0]
    assert compile.sources_digest(KERNELS, versions) == digests[0], "it does not matter where they lie"


def test_variables_that_change_the_code_are_seen(root, monkeypatch):
    places = []
    for name in ("NUMBA_NUM_THREADS", "SOMETHING_ELSE", "NUMBA_BOUNDSCHECK"):
        places.append(compile._folder())
        monkeypatch.setenv(name, "1")
        compile._folder.cache_clear()
    assert places[0] == places[1] == places[2] != compile._folder()


def test_function_of_other_sources_is_not_kept(root):
    @compile.kernel
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert not root.exists()


# Whole --------------------------------------------------------------------------------------------------------


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "a byte short": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "a bit flipped": flipped,
    "longer": lambda content: content + b"\0",
}


def test_damaged_code_is_compiled_anew(root):
    hits, expected = gather_by_new_code()
    assert hits == 0
    assert gather_by_new_code() == (1, expected), "it was not kept"
    (path,) = kept_files(root)
    whole = path.read_bytes()
    for damage in DAMAGES.values():
        path.write_bytes(damage(whole))
        assert gather_by_new_code() == (0, expected)
        assert gather_by_new_code() == (1, expected), "it was not mended"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("content", [b"", b"content"])
def test_damage_is_noticed(damage, content, tmp_path):
    path = tmp_path / "file"
    cache.keep(path, content)
    assert cache.read(path) == content
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read(path) is None


def test_full_disk_is_no_failure(root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    _, expected = gather_by_new_code()
    assert gather_by_new_code() == (0, expected)
    assert kept_files(root) == []


# Nobody else's ------------------------------------------------------------------------------------------------


@pytest.fixture
def no_temporary(monkeypatch, tmp_path_factory):
    """Temporary folders are made here, and not remembered from one test to the next."""
    cache._private.cache_clear()
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
    yield
    cache._private.cache_clear()


def test_new_folder_is_the_user_s_own_whatever_the_umask(root, no_temporary):
    before = os.umask(0)
    try:
        gather_by_new_code()
    finally:
        os.umask(before)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def open_to(mode: int):
    return lambda root, patch: root.chmod(mode)


def somebody_else_s(root, patch):
    patch.setattr(cache.os, "geteuid", lambda: root.stat().st_uid + 1)


def by_a_link(root, patch):
    root.rename(root.with_name("elsewhere"))
    root.symlink_to("elsewhere")
    root.chmod(0o777)


@pytest.mark.parametrize("spoil", [open_to(0o702), open_to(0o720), somebody_else_s, by_a_link])
def test_code_that_others_may_have_put_there_is_not_used(spoil, root, no_temporary, monkeypatch, caplog):
    _, expected = gather_by_new_code()
    cache._private.cache_clear()
    compile._folder.cache_clear()
    spoil(root, monkeypatch)
    assert gather_by_new_code() == (0, expected)
    assert gather_by_new_code() == (1, expected), "this process keeps it for itself"
    (record,) = caplog.records
    assert str(root) in record.getMessage()
    assert "\n" not in record.getMessage()


def test_folder_that_cannot_be_used_is_no_failure(root, no_temporary, caplog):
    root.write_bytes(b"a file in its place")
    _, expected = gather_by_new_code()
    assert gather_by_new_code() == (1, expected)
    assert "File exists" in caplog.text


def test_relative_folder_is_ignored(no_temporary, tmp_path, monkeypatch):
    """As the XDG Base Directory Specification has it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder("kind") == tmp_path / ".cache" / "cgan_raw" / "kind"


def test_without_a_home_nothing_is_made_in_the_current_folder(no_temporary, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    for name in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", name)
        monkeypatch.setattr(cache.os.path, "expanduser", lambda path: path)
        assert cache.folder("kind").is_absolute()
    assert "there is no home folder" in caplog.text
    assert list(tmp_path.iterdir()) == []


# Pruned -------------------------------------------------------------------------------------------------------


def test_only_what_has_not_been_used_for_weeks_is_deleted(root, monkeypatch):
    """When there is something new."""
    gather_by_new_code()
    (numba,) = root.iterdir()
    (current,) = numba.iterdir()
    old, recent = numba / "old", numba / "recent"
    for folder, days in ((old, 15), (recent, 13), (current, 15)):
        (folder / "inside").mkdir(parents=True)
        os.utime(folder, (time.time() - days * 86_400,) * 2)
    compile._folder.cache_clear()
    gather_by_new_code()
    assert old.exists(), "the sources are the same"
    monkeypatch.setattr(compile, "sources_digest", lambda *_: hashlib.sha256(b"edited").hexdigest())
    compile._folder.cache_clear()
    gather_by_new_code()
    assert recent.exists()
    assert current.exists(), "it was used just now"
    assert not old.exists()


def test_files_are_pruned_like_folders(tmp_path):
    for name, days in (("old", 15), ("recent", 13)):
        cache.keep(tmp_path / name, b"")
        os.utime(tmp_path / name, (time.time() - days * 86_400,) * 2)
    cache.prune(tmp_path)
    cache.prune(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["recent"]
