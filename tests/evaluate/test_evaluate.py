"""The command draws what it says, writes what it prints, and ends in one line where it cannot."""

import contextlib
import dataclasses
import errno
import io
import json
import math
import os
import shutil
import signal

import numpy as np
import pytest
from commands import assert_failed, assert_refused, call, leftovers, outcome, start, wait_for
from PIL import Image

import cgan_raw
from cgan_raw import __version__
from cgan_raw.checkpoint import load, save
from cgan_raw.console import cli
from cgan_raw.console.progress import bar
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.evaluate import classifier, measure, report, standard, train_classifier
from cgan_raw.evaluate.parzen import Parzen
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """That of a generator which has learnt nothing yet."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    flags = ("--device", "cpu", "--iterations", 1, "--batch-size", 4, "--quiet")
    assert call(train.main, *flags, "--out", folder).code == 0
    return folder / "checkpoint.safetensors"


def run(checkpoint, folder, *flags):
    """What the command prints and writes: text, JSON, picture."""
    result = call(evaluate.main, checkpoint, "--device", "cpu", "--out", folder, *flags)
    assert (result.code, result.err) == (0, ""), result
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(written) == ["confusion.png", "evaluation.json"]
    return result.out, json.loads(written["evaluation.json"]), written["confusion.png"]


@pytest.fixture(scope="module")
def evaluated(few, checkpoint, tmp_path_factory):
    """What the command prints, and its JSON."""
    return run(checkpoint, tmp_path_factory.mktemp("evaluated"))[:2]


def test_files_are_a_function_of_checkpoint_and_seed(few, checkpoint, tmp_path):
    first, again, other = (run(checkpoint, tmp_path, "--seed", seed)[1:] for seed in (1, 1, 2))
    assert first == again
    assert other[0]["seed"] == 2
    assert first[0]["generated"] != other[0]["generated"]
    assert first[0]["real"] == other[0]["real"]


def test_from_python_it_says_the_same_and_writes_nothing(evaluated, few, checkpoint):
    printed, content = evaluated
    before = sorted(checkpoint.parent.rglob("*"))
    quality = cgan_raw.load(checkpoint.parent, device="cpu").evaluate()
    assert json.loads(json.dumps(quality.asdict())) == content
    assert quality.generated == content["generated"]
    assert quality.real == content["real"]
    assert str(quality) in printed
    assert sorted(checkpoint.parent.rglob("*")) == before
    with pytest.raises(cgan_raw.InputError, match="--seed must be from 0"):
        cgan_raw.load(checkpoint, device="cpu").evaluate(seed=-1)


def test_json_has_every_figure_of_both(evaluated):
    _, content = evaluated
    assert (content["iteration"], content["seed"], content["device"]) == (1, 0, "cpu")
    assert content["samples_per_digit"] == measure.PER_DIGIT
    assert content["classifier"] == classifier.load(classifier.SHIPPED)[1]
    for kind, count in (("generated", 10 * measure.PER_DIGIT), ("real", 500)):
        figures = content[kind]
        table = np.array(figures["confusion"])
        assert (table.shape, table.sum()) == ((10, 10), count)
        assert figures["conditional_accuracy"] == pytest.approx(np.trace(table) / count)
        per_digit = np.diag(table) / table.sum(axis=1)
        assert figures["conditional_accuracy_per_digit"] == pytest.approx(per_digit.tolist())
        assert figures["diversity"] == pytest.approx(np.mean(figures["diversity_per_digit"]))
        assert set(figures["parzen"]) == {"log_likelihood", "standard_error", "sigma"}
        values = [
            figures["conditional_cross_entropy"],
            figures["frechet_distance"],
            *figures["parzen"].values(),
        ]
        assert all(map(math.isfinite, values))


def test_real_images_beat_a_generator_that_has_learnt_nothing(evaluated):
    _, content = evaluated
    generated, real = content["generated"], content["real"]
    assert real["conditional_accuracy"] > 0.95 > 0.5 > generated["conditional_accuracy"]
    assert real["conditional_cross_entropy"] < generated["conditional_cross_entropy"]
    assert real["frechet_distance"] < generated["frechet_distance"]
    assert real["parzen"]["log_likelihood"] > generated["parzen"]["log_likelihood"] + 50
    assert 0.8 < real["diversity"] < 1.2
    assert generated["diversity"] < 0.8


def test_text_says_what_the_json_says(evaluated):
    text, content = evaluated
    lines = {line[:34].strip(): line[34:].split() for line in text.splitlines()}
    both = [content["generated"], content["real"]]
    assert lines["conditional accuracy (%)"] == [f"{100 * f['conditional_accuracy']:.2f}" for f in both]
    entropies = [f"{f['conditional_cross_entropy']:.4f}" for f in both]
    assert lines["conditional cross-entropy (nats)"] == entropies
    assert lines["Fréchet distance"] == [f"{f['frechet_distance']:.2f}" for f in both]
    assert lines["diversity"] == [f"{f['diversity']:.3f}" for f in both]
    likelihoods = [f"{f['parzen']['log_likelihood']:.1f} ± {f['parzen']['standard_error']:.1f}" for f in both]
    parzen = " ".join(lines["Parzen log-likelihood (nats)"])
    assert parzen == f"{likelihoods[0]} {likelihoods[1]} 132 ± 1.8 in the CGAN paper"
    for kind, f in zip(("generated", "real"), both, strict=True):
        per_digit = f["conditional_accuracy_per_digit"]
        assert lines[f"accuracy (%), {kind}"] == [f"{100 * value:.1f}" for value in per_digit]
        assert lines[f"diversity, {kind}"] == [f"{value:.2f}" for value in f["diversity_per_digit"]]
    assert f"generated   {measure.PER_DIGIT} samples per digit" in text
    assert "1511.01844" in text
    assert text.splitlines()[-1].startswith("saved ")


def always_three() -> measure.Evaluation:
    """Of generated digits that are all taken for a 3, and real ones that are taken for what they are."""
    three, right = np.zeros((10, 10), int), 50 * np.eye(10, dtype=int)
    three[:, 3] = 50
    sides = (measure.Figures(table, 0.0, 0.0, np.ones(10), Parzen(0, 0, 0)) for table in (three, right))
    return measure.Evaluation(*sides, {"test_accuracy": 0.99})


def test_picture_shows_both_confusions(tmp_path):
    """Generated on the left, a column; real on the right, the diagonal."""
    report.save(tmp_path, always_three(), {})
    with Image.open(tmp_path / "confusion.png") as image:
        assert image.format == "PNG"
        halves = np.split(np.asarray(image.convert("L")), 2, axis=1)
    for half, expected in zip(halves, (0, 1), strict=True):
        rows, columns = np.nonzero(half < 80)  # filled cells, of which text is a small part
        assert rows.size > 0.05 * half.size
        assert np.corrcoef(rows, columns)[0, 1] == pytest.approx(expected, abs=0.3)
        assert (rows.std() > 2 * columns.std()) == (expected == 0)


def test_json_says_which_checkpoint_and_how_it_was_judged(cpu, checkpoint, tmp_path, monkeypatch):
    """Of a run that was stopped after 1 of 5 iterations, on the tensor cores."""
    found = load(checkpoint)
    stopped = dataclasses.replace(found, config=dataclasses.replace(found.config, iterations=5))
    save(tmp_path / "checkpoint.safetensors", stopped)
    monkeypatch.setattr(cli, "backend", lambda given: cpu)
    monkeypatch.setattr(measure, "measure", lambda *_: always_three())
    contents = []
    for flags in ((), ("--tf32",)):
        result = call(evaluate.main, tmp_path / "checkpoint.safetensors", "--seed", 3, *flags)
        assert (result.code, result.err) == (0, ""), result
        assert ", cgan, iteration 1, seed 0\n" in result.out
        contents.append(json.loads((tmp_path / "evaluation.json").read_text()))
    about = {"version": __version__, "model": "cgan", "device": "cpu", "tf32": False, "iteration": 1, "seed": 3}
    assert contents[0].items() >= about.items()
    assert contents[1] == contents[0] | {"tf32": True}
    assert contents[0]["samples_per_digit"] == 50


def test_windows_are_fit_aside_and_judged_by_the_test_set(few, cpu, checkpoint, monkeypatch):
    """Those on the samples, and on as many training images."""
    given = []
    monkeypatch.setattr(measure, "parzen", lambda *sets: given.append(sets[:3]) or Parzen(0, 0, 0))
    found = load(checkpoint)
    measure.measure(cpu, found, seed=3)
    samples = measure.draw(cpu, found, 3, measure.PER_DIGIT).images
    training, test = standard.load_training(None).images, standard.load_test(None).images
    aside = training[measure.validation(len(training))]
    expected = [(samples, aside, test), (training[: len(samples)], aside, test)]
    for sets, wanted in zip(given, expected, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(sets, wanted, strict=True))


@pytest.mark.parametrize("name", ["evaluation.json", "confusion.png"])
def test_file_of_before_stands_where_a_new_one_cannot_be_written(name, few, checkpoint, tmp_path, monkeypatch):
    run(checkpoint, tmp_path, "--seed", 1)
    before, replace = (tmp_path / name).read_bytes(), os.replace

    def fail(source, target):
        if target.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    result = call(evaluate.main, checkpoint, "--device", "cpu", "--seed", 2, "--out", tmp_path)
    assert_failed(result, tmp_path / name, "No space left")
    assert (tmp_path / name).read_bytes() == before
    assert not leftovers(tmp_path)


def test_samples_are_those_of_the_sampler(cpu, checkpoint, tmp_path):
    """Every digit in order, from one noise; a batch of another size may round one grey another way."""
    drawn = measure.draw(cpu, load(checkpoint), seed=5, per_digit=4)
    flags = ("--device", "cpu", "--count", 4, "--seed", 5)
    places = ("--out", tmp_path / "s.png", "--npz", tmp_path / "s.npz")
    assert call(sample.main, checkpoint, *flags, *places).code == 0
    with np.load(tmp_path / "s.npz") as arrays:
        assert np.array_equal(drawn.labels, arrays["labels"])
        difference = np.abs(drawn.images.astype(int) - arrays["images"].reshape(-1, 784))
    assert difference.max() <= 1
    assert len({image.tobytes() for image in drawn.images}) == 40


def test_files_lie_beside_the_checkpoint_unless_told_otherwise(few, checkpoint, tmp_path):
    copy = shutil.copy(checkpoint, tmp_path)
    assert call(evaluate.main, copy, "--device", "cpu").code == 0
    names = ["checkpoint.safetensors", "confusion.png", "evaluation.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_bar_is_for_terminals(monkeypatch):
    for is_terminal in (True, False):
        out = io.StringIO()
        monkeypatch.setattr(out, "isatty", lambda answer=is_terminal: answer)
        with contextlib.redirect_stdout(out):
            assert list(bar(range(5), "counting")) == [0, 1, 2, 3, 4]
        assert ("counting" in out.getvalue()) == is_terminal


# What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_bad_seed_is_refused(seed, checkpoint, tmp_path):
    assert_refused(call(evaluate.main, checkpoint, f"--seed={seed}", "--out", tmp_path), "--seed", seed)
    assert not any(tmp_path.iterdir())


def test_missing_or_damaged_checkpoint_is_refused(checkpoint, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(checkpoint.read_bytes()[:-1])
    for path in (tmp_path / "none.safetensors", damaged, tmp_path):
        assert_refused(call(evaluate.main, path, "--out", tmp_path), path)


def test_missing_folder_is_refused(checkpoint, tmp_path):
    for folder in (tmp_path / "none", checkpoint):
        assert_refused(call(evaluate.main, checkpoint, "--out", folder), folder)


def test_damaged_classifier_is_refused_before_anything_is_drawn(checkpoint, tmp_path, monkeypatch):
    copy = tmp_path / "classifier.safetensors"
    copy.write_bytes(classifier.SHIPPED.read_bytes()[:-1] + b"\xff")
    shutil.copy(classifier.SHIPPED.with_suffix(".json"), tmp_path)
    monkeypatch.setattr(classifier, "SHIPPED", copy)
    monkeypatch.setattr(measure, "draw", None)
    result = call(evaluate.main, checkpoint, "--device", "cpu", "--out", tmp_path)
    assert_failed(result, copy, "digest", code=2)


@pytest.mark.parametrize("name", ["evaluation.json", "confusion.png"])
def test_place_that_cannot_be_written_is_refused_before_anything_is_computed(name, checkpoint, tmp_path):
    (tmp_path / name).mkdir()
    result = call(evaluate.main, checkpoint, "--device", "cpu", "--out", tmp_path)
    assert_refused(result, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_interrupt_ends_with_130_and_leaves_nothing(checkpoint, tmp_path):
    process = start("-m", "cgan_raw.evaluate", checkpoint, "--device", "cpu", "--out", tmp_path, cwd=tmp_path)
    try:
        wait_for(process, "device cpu")
        process.send_signal(signal.SIGINT)
        assert outcome(process).code == 130
    finally:
        process.kill()
        process.wait()
    assert not any(tmp_path.iterdir())


# Help ---------------------------------------------------------------------------------------------------------

HELP = """
import contextlib, json, runpy, sys
command, sys.argv[1:] = sys.argv[1], ["--help"]
with contextlib.suppress(SystemExit):
    runpy.run_module(command, run_name="__main__", alter_sys=True)
slow = {"numba", "matplotlib", "numpy", "PIL", "tqdm", "safetensors", "cgan_raw.kernels"}
print(json.dumps(sorted(slow & sys.modules.keys())))
"""
COMMANDS = ("cgan_raw.evaluate", "cgan_raw.evaluate.train_classifier")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_slow(command, tmp_path):
    result = outcome(start("-c", HELP, command, cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"usage: python -m {command} ")
    assert json.loads(result.out.splitlines()[-1]) == []


@pytest.mark.parametrize("command", [evaluate, train_classifier])
def test_every_flag_with_a_value_says_its_default(command):
    flags = command.parser()._actions
    valued = [action for action in flags if action.option_strings and action.nargs != 0]
    assert {"--device", "--seed", "--out"} <= {action.option_strings[-1] for action in valued}
    assert all("(default: " in action.help for action in valued)
