"""Files are written whole or not at all, whatever fails and at whatever step."""

import errno
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from commands import ENVIRONMENT, PATIENCE, leftovers, outcome, start, wait_for

from cgan_raw.files import writing as files
from cgan_raw.files.writing import remove_partial_files, write_atomically

OLD, NEW = b"old" * 1000, b"new" * 100_000

#: What write_atomically calls before the new file is in place, in order; "write" fails half way.
STEPS = ("open", "write", "fsync", "replace")


@contextmanager
def largest_file(size: int):
    """Inside, a file that grows beyond ``size`` bytes fails as on a full disk, but with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing(step: str, error: BaseException):
    """Inside, a step of write_atomically raises."""

    def fail(*_, **__):
        raise error

    if step == "write":
        with largest_file(len(NEW) // 2):
            yield
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files.Path if step == "open" else files.os, step, fail)
            yield


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("existed", [True, False])
def test_failure_leaves_the_old_file_and_nothing_else(step, existed, tmp_path):
    path = tmp_path / "file"
    if existed:
        path.write_bytes(OLD)
    full = OSError(errno.ENOSPC, "No space left on device")
    with failing(step, full), pytest.raises(OSError, match=r"No space left|too large") as caught:
        write_atomically(path, NEW)
    assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"] * existed
    assert not existed or path.read_bytes() == OLD


@pytest.mark.parametrize("step", STEPS[2:])
def test_interrupt_leaves_the_old_file_and_nothing_else(step, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with failing(step, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        write_atomically(path, NEW)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == OLD


#: A process that kills itself at a step; sys.argv is the step, the file, the new file's length.
KILLED = """
import os, signal, sys
from pathlib import Path
from cgan_raw.files import writing as files
step, path, length = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
setattr(files.os, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
files.write_atomically(path, bytes(length))
"""


@pytest.mark.parametrize("step", ["fsync", "replace", "_exit"])
def test_kill_leaves_the_old_file_or_the_new(step, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    command = [sys.executable, "-c", KILLED, step, str(path), str(len(NEW))]
    code = subprocess.run(command, env=ENVIRONMENT, timeout=PATIENCE).returncode
    if step == "_exit":  # never reached: the new file is there
        assert (code, path.read_bytes()) == (0, bytes(len(NEW)))
    else:
        assert (code, path.read_bytes()) == (-signal.SIGKILL, OLD)
        assert len(leftovers(tmp_path)) == 1
    remove_partial_files(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


#: A command that waits at fsync; sys.argv is the file.
WAITING = """
import sys, time
from pathlib import Path
from cgan_raw.console import cli
from cgan_raw.files import writing as files
files.os.fsync = lambda _: (print("ready", flush=True), time.sleep(100))
sys.exit(cli.run(lambda: files.write_atomically(Path(sys.argv[1]), b"new")))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_a_command_leaves_the_old_file_and_nothing_else(number, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    process = start("-c", WAITING, path, cwd=tmp_path)
    wait_for(process, "ready")
    process.send_signal(number)
    result = outcome(process)
    assert (result.code, result.err) == (128 + number, "")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == OLD


def test_other_hidden_files_are_not_removed(tmp_path):
    (tmp_path / ".hidden").touch()
    remove_partial_files(tmp_path)
    assert leftovers(tmp_path)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "gone" / "file", NEW)
    assert caught.value.filename == str(tmp_path / "gone" / "file")


def test_folder_in_the_way_is_named_and_kept(tmp_path):
    path = tmp_path / "file"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as caught:
        write_atomically(path, NEW)
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    path, link = tmp_path / "folder" / "file", tmp_path / "link"
    (tmp_path / "middle").symlink_to("folder/file")
    link.symlink_to("middle")
    for content in (OLD, NEW):  # at first there is no file
        write_atomically(link, content)
        assert path.read_bytes() == content
    assert link.is_symlink()
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "circle"])
def test_what_is_no_file_is_named_and_kept(kind, tmp_path):
    path = tmp_path / "place"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("place")
    before = path.lstat()
    with pytest.raises(OSError, match="Not a regular file") as caught:
        write_atomically(path, NEW)
    assert caught.value.filename == str(path)
    assert path.lstat().st_ino == before.st_ino
    assert list(tmp_path.iterdir()) == [path]


def test_content_reaches_the_disk_before_the_name_and_the_name_after_it(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *a, real=real, name=name: (calls.append(name), real(*a)))
    write_atomically(tmp_path / "file", NEW)
    assert calls == ["fsync", "replace", "fsync"]
    assert (tmp_path / "file").read_bytes() == NEW


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_new_file_has_the_permissions_of_any_new_file(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", NEW)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_umask_is_never_set(tmp_path, monkeypatch):
    """It is the whole process's: what another thread makes meanwhile would be open to all."""
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("it is set"))
    write_atomically(tmp_path / "file", NEW)
