"""Whatever lies in a file's place, a command neither waits for it nor reads more than a file could hold."""

import contextlib
import os
import shutil
import signal

import pytest
from commands import assert_refused, call, metrics
from PIL import Image

from cgan_raw.checkpoint import FILE_NAME
from cgan_raw.compare import __main__ as compare
from cgan_raw.errors import InputError
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.export import __main__ as export
from cgan_raw.files.reading import read_bytes, read_object
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run that a test may spoil."""
    return shutil.copytree(finished[0], tmp_path / "run")


@contextlib.contextmanager
def at_once():
    """Fails if what is inside waits for somebody."""

    def fail(*_):
        pytest.fail("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(10)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def a_pipe(path):
    os.mkfifo(path)


def a_device(path):
    path.symlink_to("/dev/null")


def a_folder(path):
    path.mkdir()


def a_large_file(path):
    with path.open("wb") as file:
        file.truncate(2**40)  # which takes no room


INSTEAD = (a_pipe, a_device, a_folder, a_large_file)


def put(instead, path):
    path.unlink(missing_ok=True)
    instead(path)


# By every command ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instead", INSTEAD)
def test_in_place_of_a_checkpoint(instead, run, tmp_path):
    path = run / FILE_NAME
    put(instead, path)
    commands = [
        (sample.main, path, "--out", tmp_path / "out.png"),
        (evaluate.main, path, "--out", tmp_path),
        (export.main, path, "--onnx", tmp_path / "out.onnx"),
        (train.main, "--resume", run),
    ]
    with at_once():
        for command in commands:
            assert_refused(call(*command), path, "cannot be read: ")


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "evaluation.json", "samples/000060.png"])
@pytest.mark.parametrize("instead", INSTEAD)
def test_in_place_of_what_is_compared(name, instead, finished, run, tmp_path):
    put(instead, run / name)
    with at_once():
        result = call(compare.main, finished[0], run, "--out", tmp_path / "compare.png")
    assert_refused(result, run / name)


@pytest.mark.parametrize("name", ["config.json", "samples/000040.png", "metrics.jsonl"])
@pytest.mark.parametrize("instead", INSTEAD)
def test_in_place_of_what_a_resumed_run_reads(name, instead, run):
    """It goes on where it can."""
    put(instead, run / name)
    with at_once():
        result = call(train.main, "--resume", run, "--iterations", 61)
    if name.startswith("samples") or (name == "config.json" and instead is a_large_file):
        assert (result.code, result.err) == (0, "")
    else:
        assert_refused(result, run / name)


# What is in them ----------------------------------------------------------------------------------------------


def test_line_of_metrics_that_is_too_deep_is_left_out(run):
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join([*lines[:6], "[" * 200_000 + "\n", *lines[6:]]))
    assert call(train.main, "--resume", run).code == 0
    assert (run / "metrics.jsonl").read_text() == "".join(lines)


def test_pictures_that_are_none_are_left_out_of_the_film(run):
    (run / "samples" / "000020.png").write_bytes(b"PNG")
    assert call(train.main, "--resume", run, "--quiet").code == 0
    with Image.open(run / "samples.gif") as film:
        assert film.n_frames == 2
    for path in (run / "samples").iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    (run / "samples.gif").unlink()
    assert call(train.main, "--resume", run, "--quiet").code == 0
    assert not (run / "samples.gif").exists()
    assert (run / "losses.png").exists()


def test_as_much_as_may_be_is_read(tmp_path):
    path = tmp_path / "file"
    assert read_bytes(path, 5) is None
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(InputError, match="more than 4 bytes"):
        read_bytes(path, 4)
    for content in (b"", b"null", b"[1]", b"[" * 10**5, b"\xff", b'{"a": 1} x'):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no JSON object"):
            read_object(path)
    path.write_bytes(b'{"a": 1}')
    assert read_object(path) == {"a": 1}


# Places are looked at before anything is computed -------------------------------------------------------------


@pytest.mark.parametrize("name", ["samples.gif", "losses.png", "metrics.jsonl", "config.json", FILE_NAME])
@pytest.mark.parametrize("instead", [a_folder, a_pipe])
def test_place_of_a_file_that_training_could_not_write(name, instead, finished, small, tmp_path, monkeypatch):
    monkeypatch.setattr("cgan_raw.train.trainer.Trainer.train", lambda *_: pytest.fail("it trains"))
    folder = tmp_path / "new"
    folder.mkdir()
    instead(folder / name)
    with at_once():
        assert_refused(call(train.main, *small, "--out", folder), folder)
    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize("name", ["samples.gif", "losses.png"])
def test_place_of_a_file_that_a_resumed_run_could_not_write(name, run, monkeypatch):
    put(a_folder, run / name)
    before = metrics(run)
    monkeypatch.setattr("cgan_raw.train.trainer.Trainer.train", lambda *_: pytest.fail("it trains"))
    assert_refused(call(train.main, "--resume", run, "--iterations", 61), run / name)
    assert metrics(run) == before


def test_folder_of_samples_that_cannot_be_written(small, tmp_path, monkeypatch):
    real, samples = os.access, tmp_path / "run" / "samples"
    monkeypatch.setattr(os, "access", lambda path, mode: path != samples and real(path, mode))
    assert_refused(call(train.main, *small, "--iterations", 1, "--out", tmp_path / "run"), samples)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "samples").touch()
    assert_refused(call(train.main, *small, "--iterations", 1, "--out", tmp_path / "other"), tmp_path / "other")
