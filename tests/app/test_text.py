"""Names are shown as text, whatever they hold: no terminal obeys them, and no picture fails on them."""

import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
from commands import assert_refused, call, idx, random_data, write_data
from PIL import Image

from cgan_raw.checkpoint import FILE_NAME
from cgan_raw.compare import __main__ as compare
from cgan_raw.compare import comparison
from cgan_raw.console import cli
from cgan_raw.console.text import printable
from cgan_raw.errors import InputError
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.evaluate import measure, report, standard, train_classifier
from cgan_raw.export import __main__ as export
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train

#: Clears a screen, in two ways, begins lines, rings, turns a line around, and is no UTF-8, no character.
HOSTILE = "\x1b[2J\x9b2J\r\n\x07\u202e\u2028" + os.fsdecode(b"\xff") + "\uffff"
SHOWN = r"\x1b[2J\x9b2J\r\n\x07\u202e\u2028\udcff\uffff"


def assert_harmless(result, *, shown=True):
    for text in (result.out, result.err):
        assert all(c.isprintable() or c == "\n" for c in text), ascii(text)
    assert shown is None or (SHOWN in result.out + result.err) == shown
    return result


@pytest.fixture
def hostile(finished, tmp_path):
    """A copy of a run in a folder of that name, evaluated."""
    folder = shutil.copytree(finished[0], tmp_path / HOSTILE)
    generated = {"diversity": 1.0}
    (folder / "evaluation.json").write_text(json.dumps({"iteration": 60, "generated": generated}))
    return folder


def test_letters_of_every_script_are_kept():
    for text in ("", "runs/try 1", "Fréchet ± 日本 שלום 🙂 |$\\", r"\x1b"):
        assert printable(text) == text
    assert printable(HOSTILE) == SHOWN
    assert printable("\t\n\u200b\ud800") == r"\t\n\u200b\ud800"


# By every command ---------------------------------------------------------------------------------------------


def test_train(tmp_path, monkeypatch):
    data = write_data(tmp_path / f"data{HOSTILE}", *map(idx, random_data(20)))
    folder = tmp_path / f"run{HOSTILE}"
    flags = ("--device", "cpu", "--batch-size", 4, "--iterations", 1)
    result = assert_harmless(call(train.main, *flags, "--data", data, "--out", folder))
    assert (result.code, result.err) == (0, "")
    assert result.out.count(SHOWN) == 3
    assert_harmless(call(train.main, *flags, "--out", folder))
    assert_harmless(call(train.main, "--resume", folder, "--iterations", 2))
    (data / "train-labels-idx1-ubyte").unlink()
    assert_refused(assert_harmless(call(train.main, "--resume", folder, "--iterations", 3)), "train-labels")


def test_sample_and_export(hostile, tmp_path, monkeypatch):
    for main, flag, name in ((sample.main, "--out", "a.png"), (export.main, "--onnx", "a.onnx")):
        path = tmp_path / f"{HOSTILE}{name}"
        assert assert_harmless(call(main, hostile / FILE_NAME, flag, path)).code == 0
        assert path.exists()
    assert_harmless(call(sample.main, hostile / FILE_NAME, "--digits", HOSTILE))
    assert_harmless(call(sample.main, hostile / f"{FILE_NAME}x"))


def test_evaluate(hostile, monkeypatch):
    found = SimpleNamespace(classifier={"test_accuracy": 1})
    monkeypatch.setattr(standard, "load", lambda *_: SimpleNamespace(name=HOSTILE))
    monkeypatch.setattr(measure, "measure", lambda *_: found)
    monkeypatch.setattr(report, "text", lambda _: "one\ntwo")
    monkeypatch.setattr(report, "save", lambda folder, *_: (folder / "evaluation.json",))
    result = assert_harmless(call(evaluate.main, hostile / FILE_NAME, "--device", "cpu"))
    assert result.code == 0
    assert "\none\ntwo\n\nsaved " in result.out
    assert result.out.count(SHOWN) == 3


def test_compare(hostile, finished_gan, tmp_path, monkeypatch):
    settings = json.loads((hostile / "config.json").read_text())
    (hostile / "config.json").write_text(
        json.dumps(settings | {HOSTILE: HOSTILE, "model": HOSTILE, "seed": "日本"})
    )
    drawn, png = [], comparison.figure_png
    monkeypatch.setattr(comparison, "figure_png", lambda figure: drawn.append(figure) or png(figure))
    out = tmp_path / "compare.png"
    result = assert_harmless(call(compare.main, hostile, finished_gan, "--out", out))
    assert (result.code, result.err) == (0, "")
    lines = [line for line in result.out.splitlines() if line.startswith("|")]
    assert len(lines) == len({line.split("|")[1] for line in lines})
    assert result.out.count(SHOWN) >= 4
    with Image.open(out) as picture:
        picture.load()
    texts = [cell.get_text().get_text() for cell in drawn[0].axes[4].tables[0].get_celld().values()]
    texts += [axes.get_title() for axes in drawn[0].axes]
    assert all(text.isprintable() for text in texts)


def test_letters_that_no_font_has_are_drawn_somehow(hostile, finished_gan, tmp_path, recwarn):
    folder = hostile.rename(tmp_path / "日本\U0001f0a1\U00012345")
    result = call(compare.main, folder, finished_gan, "--out", tmp_path / "compare.png")
    assert (result.code, result.err) == (0, "")
    assert folder.name in result.out
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("command", [train, sample, evaluate, export, compare, train_classifier])
def test_command_line_that_is_wrong(command):
    for arguments in (["a", "b", f"--unknown{HOSTILE}"], [f"--seed={HOSTILE}"], ["a", "b", "c", HOSTILE]):
        assert assert_harmless(call(command.main, *arguments), shown=None).code == 2


def test_what_a_file_says(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3)}, {"format": f"{HOSTILE[:9]}"}))
    assert_refused(assert_harmless(call(sample.main, path), shown=None), r"\x1b")


def test_failure_is_one_line(capsys):
    def fail():
        raise InputError(f"first{HOSTILE}\nsecond")

    assert cli.run(fail) == 2
    assert capsys.readouterr().err == f"error: first{SHOWN}\\nsecond\n"
