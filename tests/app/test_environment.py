"""What the environment asks for is done, or refused in a line; what is broken around the program is named."""

import errno
import subprocess
import sys

import pytest
from commands import ENVIRONMENT, PATIENCE, assert_refused, call

from cgan_raw.console import cli
from cgan_raw.errors import explain
from cgan_raw.kernels.simt import compiler
from cgan_raw.train import __main__ as train

#: Every command's help, then a short run; sys.argv are train's flags.
WITHOUT_DOCSTRINGS = """
import contextlib, os, runpy, sys
assert False, "asserts are left out"
flags, sys.argv[1:] = sys.argv[1:], ["--help"]
for name in ("train", "sample", "evaluate", "compare", "export", "evaluate.train_classifier"):
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
        runpy.run_module(f"cgan_raw.{name}", run_name="__main__", alter_sys=True)
from cgan_raw.train import __main__ as train
sys.exit(train.main(flags) or os.environ["MPLBACKEND"] != "Qt4Agg")
"""


def test_neither_docstrings_nor_windows_are_needed(small, tmp_path):
    """An old name in MPLBACKEND fails the import of matplotlib, and must not at the end of a run."""
    flags = (*small, "--iterations", 1, "--quiet", "--out", tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DOCSTRINGS, *map(str, flags)],
        env=ENVIRONMENT | {"PYTHONOPTIMIZE": "2", "MPLBACKEND": "Qt4Agg"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.count("usage: ") == 6
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "losses.png").stat().st_size > 10_000


#: What Python has nowhere but on Unix, or on Linux, is taken away before the program is imported.
WITHOUT_UNIX = """
import mmap, os, signal, sys
sys.modules["fcntl"] = None
for module, names in (
    (os, ("geteuid", "getuid", "O_NONBLOCK", "O_DIRECTORY", "fork", "sched_getaffinity", "getloadavg")),
    (signal, ("SIGHUP", "SIGPIPE", "SIGKILL")),
    (mmap, ("MADV_HUGEPAGE", "MAP_PRIVATE", "MAP_ANONYMOUS")),
):
    for name in names:
        delattr(module, name)
from cgan_raw.train import __main__ as train
sys.exit(train.main(sys.argv[1:]))
"""


def test_what_only_unix_has_is_not_needed(small, tmp_path):
    flags = (*small, "--device", "cpu", "--iterations", 1, "--quiet", "--out", tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX, *map(str, flags)],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "run" / "losses.png").exists()


BAD_VARIABLES = [
    *(("NUMBA_NUM_THREADS", value) for value in ("0", "-1", "two", "", "1.5")),
    ("NUMBA_DISABLE_JIT", "1"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VARIABLES)
def test_variable_that_numba_cannot_use(name, value, small, tmp_path, monkeypatch):
    monkeypatch.setenv(name, value)
    assert_refused(call(train.main, *small, "--out", tmp_path / "run", "--iterations", 1), name, value)
    assert not (tmp_path / "run").exists()


def test_variables_that_say_what_is_so_anyway(small, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", " 2 ")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    assert call(train.main, *small, "--out", tmp_path / "run", "--iterations", 1).code == 0


# --device simt ------------------------------------------------------------------------------------------------


def simt_refuses(tmp_path, *names):
    result = call(train.main, "--device", "simt", "--iterations", 1, "--out", tmp_path / "run")
    assert_refused(result, "--device simt", "--device cpu works", *names)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["foo", "thread"])
def test_sanitizer_that_cannot_be_had(value, tmp_path, monkeypatch):
    monkeypatch.setenv("CGAN_RAW_SANITIZE", value)
    simt_refuses(tmp_path, "sanitize", value)


COMPILERS = {
    "fails": "#!/bin/sh\n[ $1 = --version ] && exit\necho fatal error: no space >&2\necho more >&2\nexit 1\n",
    "cannot say its version": "#!/bin/sh\nexit 1\n",
    "is not one": "no program",
    "makes nothing": "#!/bin/sh\n",
    "makes nonsense": '#!/bin/sh\nwhile [ "$1" ]; do [ $1 = -o ] && echo text > $2; shift; done\n',
}


@pytest.mark.parametrize("case", COMPILERS)
def test_compiler_that_does_not_work(case, tmp_path, monkeypatch):
    (tmp_path / "compiler").write_text(COMPILERS[case])
    (tmp_path / "compiler").chmod(0o755)
    monkeypatch.setattr(compiler, "COMPILER", str(tmp_path / "compiler"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler.compiler_version.cache_clear()
    simt_refuses(tmp_path)
    compiler.compiler_version.cache_clear()


# What is said -------------------------------------------------------------------------------------------------

ERRORS = [
    (OSError(errno.ENOSPC, "No space left on device", "/some/file"), "/some/file: No space left on device"),
    (OSError(errno.ENOSPC, "No space left on device"), "standard output: No space left on device"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory"),
    (OSError("image file is truncated"), "image file is truncated"),
    (OSError(), "OSError"),
]


@pytest.mark.parametrize(("error", "said"), ERRORS)
def test_error_is_explained_by_what_it_has(error, said, capsys):
    assert explain(error) == said

    def fail():
        raise error

    assert cli.run(fail) == 1
    assert capsys.readouterr().err == f"error: {said}\n"


def test_memory_error_without_words(capsys):
    def fail():
        raise MemoryError

    assert cli.run(fail) == 1
    assert capsys.readouterr().err == "error: not enough memory\n"
