"""No command replaces a checkpoint or another file of a run, whatever it is told to write."""

import shutil

import pytest
from commands import assert_refused, call

from cgan_raw.checkpoint import FILE_NAME
from cgan_raw.compare import __main__ as compare
from cgan_raw.errors import InputError
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.evaluate import report, train_classifier
from cgan_raw.export import __main__ as export
from cgan_raw.files.places import check_places
from cgan_raw.sample import __main__ as sample


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run that a test may spoil."""
    return shutil.copytree(finished[0], tmp_path / "run")


def state(folder):
    return {path: (path.stat().st_ino, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def commands(finished):
    """Every flag that names a file to be written, as a command that lacks that file alone."""
    checkpoint = finished[0] / FILE_NAME
    walk = (sample.main, checkpoint, "--interpolate")
    return {
        "sample --out": (*walk, "--out"),
        "sample --gif": (*walk, "--gif"),
        "sample --npz": (*walk, "--npz"),
        "compare --out": (compare.main, finished[0], finished[0], "--out"),
        "export --onnx": (export.main, checkpoint, "--onnx"),
        "export --csv": (export.main, finished[0], "--csv"),
        "train_classifier --out": (train_classifier.main, "--iterations", 1, "--out"),
    }


RUN_FILES = (FILE_NAME, "config.json", "metrics.jsonl", "samples/000040.png", "samples.gif", "losses.png")


@pytest.mark.parametrize("name", RUN_FILES)
def test_file_of_a_run_is_not_replaced(name, finished, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where the files lie that are not named
    before = state(tmp_path)
    for command in commands(finished).values():
        if command[0] == train_classifier.main and not name.endswith(".safetensors"):
            continue  # its file must end so
        assert_refused(call(*command, run / name), run / name, "is not replaced")
    assert state(tmp_path) == before


FORMATS = {
    "sample --out": ".png",
    "sample --gif": ".gif",
    "sample --npz": ".npz",
    "compare --out": ".png",
    "export --onnx": ".onnx",
    "export --csv": ".csv",
    "train_classifier --out": ".safetensors",
}


@pytest.mark.parametrize("name", ["a.jpg", "a", "png", "a.png.txt", "a.gif", "a.npy"])
@pytest.mark.parametrize("command", FORMATS)
def test_file_whose_name_promises_another_format_is_not_written(command, name, finished, monkeypatch, tmp_path):
    """One that is no picture's name, say, for a picture."""
    monkeypatch.chdir(tmp_path)
    if not name.endswith(FORMATS[command]):
        flag = command.split()[1]
        said = f"{flag} must end in {FORMATS[command]}, not {name}"
        assert_refused(call(*commands(finished)[command], name), said)
    assert not any(tmp_path.iterdir())


def test_case_of_a_suffix_does_not_matter(finished, tmp_path):
    assert call(*commands(finished)["compare --out"], tmp_path / "a.PNG").code == 0
    assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")


def test_weights_are_not_described_in_the_config_of_a_run(run):
    """Beside config.safetensors goes config.json."""
    before = state(run)
    assert_refused(call(train_classifier.main, "--iterations", 1, "--out", run / "config.safetensors"), run)
    assert state(run) == before


@pytest.mark.parametrize(
    "command", ["sample --out", "compare --out", "export --onnx", "train_classifier --out"]
)
def test_checkpoint_by_another_name_or_a_link_is_not_replaced(command, finished, tmp_path):
    kept, link = tmp_path / "best.safetensors", tmp_path / "link.safetensors"
    shutil.copy(finished[0] / FILE_NAME, kept)
    link.symlink_to(kept.name)
    before = state(tmp_path)
    for path in (kept, link):
        assert_refused(call(*commands(finished)[command], path), path, "checkpoint")
    assert state(tmp_path) == before


@pytest.mark.parametrize("lost", [FILE_NAME, "metrics.jsonl"])
def test_run_that_has_lost_a_file_is_one(lost, finished, run):
    (run / lost).unlink()
    assert_refused(call(compare.main, *finished[:1] * 2, "--out", run / "losses.png"), run / "losses.png")


def test_evaluation_replaces_a_checkpoint_as_little(finished, run):
    shutil.copy(run / FILE_NAME, run / "evaluation.json")
    before = state(run)
    result = call(evaluate.main, finished[0] / FILE_NAME, "--out", run)
    assert_refused(result, run / "evaluation.json", "checkpoint")
    assert state(run) == before


def test_other_files_may_lie_in_a_run_folder(run, tmp_path):
    for model in ("cgan", "gan"):
        for path in report.places(run, model):
            path.write_bytes(b"of an earlier evaluation")
        check_places(*report.places(run, model))
    check_places(run / "mine.png", run / "samples" / "mine.png", tmp_path / "samples.gif")
    with pytest.raises(InputError, match="two files"):
        check_places(run / "mine.png", run / "mine.png")
