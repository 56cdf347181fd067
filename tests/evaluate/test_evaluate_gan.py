"""A plain GAN is evaluated by what the classifier takes its images for; what cannot be said is left out."""

import json

import numpy as np
import pytest
from commands import call
from matplotlib.axes import Axes
from PIL import Image

from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.evaluate import measure, metrics, report
from cgan_raw.evaluate.parzen import Parzen
from cgan_raw.train import __main__ as train


@pytest.fixture(scope="module")
def evaluated(few, tmp_path_factory):
    """What the command prints, its JSON, and the folder."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    flags = ("--device", "cpu", "--model", "gan", "--iterations", 1, "--batch-size", 4, "--quiet")
    assert call(train.main, *flags, "--out", folder).code == 0
    result = call(evaluate.main, folder / "checkpoint.safetensors", "--device", "cpu")
    assert (result.code, result.err) == (0, ""), result
    return result.out, json.loads((folder / "evaluation.json").read_text()), folder


def test_json_has_coverage_in_place_of_what_needs_a_label(evaluated):
    _, content, _ = evaluated
    assert content["model"] == "gan"
    assert content["samples"] == 10 * measure.PER_DIGIT
    for kind, count in (("generated", 10 * measure.PER_DIGIT), ("real", 500)):
        figures = content[kind]
        assert len(figures["digits"]) == 10
        assert sum(figures["digits"]) == count
        assert figures["digit_entropy"] == pytest.approx(metrics.entropy(np.array(figures["digits"])))
        known = [value for value in figures["diversity_per_predicted_digit"] if value is not None]
        assert figures["diversity"] == pytest.approx(np.mean(known))
        assert len(known) == sum(number > 1 for number in figures["digits"])
        assert figures["left_out"].keys() == {
            "conditional_accuracy",
            "conditional_cross_entropy",
            "confusion",
        }
        assert not figures["left_out"].keys() & (figures.keys() - {"left_out"})


def test_real_images_beat_a_generator_that_has_learnt_nothing(evaluated):
    _, content, _ = evaluated
    generated, real = content["generated"], content["real"]
    assert real["digit_entropy"] > 2.25 > generated["digit_entropy"]
    assert real["frechet_distance"] < generated["frechet_distance"]
    assert real["parzen"]["log_likelihood"] > generated["parzen"]["log_likelihood"] + 50


def test_text_says_what_the_json_says(evaluated):
    text, content, _ = evaluated
    lines = {line[:34].strip(): line[34:].split() for line in text.splitlines()}
    both = [content["generated"], content["real"]]
    assert lines["entropy of the digits (nats)"] == [f"{f['digit_entropy']:.4f}" for f in both]
    assert lines["Fréchet distance"] == [f"{f['frechet_distance']:.2f}" for f in both]
    for kind, f in zip(("generated", "real"), both, strict=True):
        shares = [f"{100 * number / sum(f['digits']):.1f}" for number in f["digits"]]
        assert lines[f"images (%), {kind}"] == shares
    assert not any(name.startswith(("conditional accuracy", "accuracy")) for name in lines)
    assert "left out" in text


def test_picture_shows_how_often_each_digit_comes(evaluated):
    _, _, folder = evaluated
    assert not (folder / "confusion.png").exists()
    with Image.open(folder / "digits.png") as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_picture_shows_generated_and_real_shares(tmp_path, monkeypatch):
    shown, draw = {}, Axes.bar

    def bar(axes, x, height, *rest, label):
        shown[label] = list(height)
        return draw(axes, x, height, *rest, label=label)

    monkeypatch.setattr(Axes, "bar", bar)
    counts = {"generated": np.arange(10), "real": np.arange(10)[::-1]}
    sides = (measure.Coverage(count, 0.0, np.ones(10), Parzen(0, 0, 0)) for count in counts.values())
    report.save(tmp_path, measure.Evaluation(*sides, {}), {})
    assert shown == {kind: list(100 * count / 45) for kind, count in counts.items()}
