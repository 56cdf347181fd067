"""Runs side by side: the table says what their files say, the picture shows each, bad input is one line."""

import dataclasses
import json
import os
import shutil
import statistics
import struct
import zlib

import numpy as np
import pytest
from commands import assert_refused, call, leftovers, metrics
from matplotlib.axes import Axes
from matplotlib.table import Table
from PIL import Image

from cgan_raw.compare import __main__ as compare
from cgan_raw.compare import comparison

EVALUATION = {
    "iteration": 60,
    "generated": {
        "conditional_accuracy": 0.91234,
        "frechet_distance": 12.345,
        "diversity": 0.9876,
        "parzen": {"log_likelihood": 101.26, "standard_error": 1.5, "sigma": 0.2},
    },
}

EVALUATION_OF_GAN = {
    "iteration": 30,
    "generated": {
        "digit_entropy": 2.2834,
        "frechet_distance": 110.25,
        "diversity": 0.996,
        "parzen": {"log_likelihood": 99.5, "standard_error": 1.5, "sigma": 0.2},
    },
}


@pytest.fixture
def runs(finished, finished_gan, tmp_path):
    """Copies of a conditional GAN's run and of a plain one's."""
    return shutil.copytree(finished[0], tmp_path / "one"), shutil.copytree(finished_gan, tmp_path / "two")


def table(result) -> dict[str, list[str]]:
    assert (result.code, result.err) == (0, ""), result
    lines = [line for line in result.out.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert {len(line) for line in cells} == {3}
    return {name: values for name, *values in cells}


def test_table_says_what_the_files_say(runs, tmp_path):
    (runs[0] / "evaluation.json").write_text(json.dumps(EVALUATION))
    result = call(compare.main, *runs, "--out", tmp_path / "compare.png")
    found = table(result)
    assert list(found)[:2] == ["", "---"]
    assert found[""] == ["one", "two"]
    assert found["model"] == ["cgan", "gan"]
    assert found["iterations"] == ["60 of 60", "30 of 30"]
    last = [metrics(run)[-1] for run in runs]
    for name in ("d_loss", "d_accuracy", "g_loss"):
        assert found[f"last {name}"] == [f"{line[name]:.4f}" for line in last]
    speeds = [statistics.median(line["images_per_second"] for line in metrics(run)) for run in runs]
    assert found["images/s (median)"] == [f"{speed:,.0f}" for speed in speeds]
    assert found["evaluated after iteration"] == ["60", "-"]
    assert found["conditional accuracy (%)"] == ["91.23", "-"]
    assert found["Fréchet distance"] == ["12.35", "-"] or found["Fréchet distance"] == ["12.34", "-"]
    assert found["Parzen log-likelihood (nats)"] == ["101.3", "-"]
    assert "entropy of the digits (nats)" not in found
    assert f"\n{runs[1]} is not evaluated yet: python -m cgan_raw.evaluate {runs[1]}/checkp" in result.out
    assert f"{runs[0]} is not" not in result.out


def test_a_conditional_gan_and_a_plain_one_have_figures_of_their_own(runs, tmp_path):
    for run, evaluation in zip(runs, (EVALUATION, EVALUATION_OF_GAN), strict=True):
        (run / "evaluation.json").write_text(json.dumps(evaluation))
    result = call(compare.main, *runs, "--out", tmp_path / "compare.png")
    found = table(result)
    assert found["conditional accuracy (%)"] == ["91.23", "-"]
    assert found["entropy of the digits (nats)"] == ["-", "2.283"]
    assert found["diversity"] == ["0.988", "0.996"]
    assert "\nFréchet distance and diversity: of a cgan by the digit asked for, of a gan" in result.out


FIGURES = ("conditional accuracy (%)", "Fréchet distance", "diversity", "Parzen log-likelihood (nats)")

JUDGES = {
    "one judge": ("a", "a", True),
    "two judges": ("a", "b", False),
    "one judge is not known": ("a", None, True),
}


def judged_by(run, judge) -> None:
    judged = {} if judge is None else {"classifier": {"sha256": judge}}
    (run / "evaluation.json").write_text(json.dumps(EVALUATION | judged))


@pytest.mark.parametrize("case", JUDGES)
def test_figures_of_two_judges_are_not_put_beside_each_other(case, finished, runs, tmp_path):
    one, other, shown = JUDGES[case]
    again = shutil.copytree(finished[0], tmp_path / "again")
    judged_by(runs[0], one)
    judged_by(again, other)
    result = call(compare.main, runs[0], again, "--out", tmp_path / "compare.png")
    found = table(result)
    assert [name in found for name in FIGURES] == [shown] * 4
    assert ("\nFigures are left out: two classifiers have judged" in result.out) == (not shown)


def test_figures_on_different_data_are_not_put_beside_each_other(finished, runs, tmp_path):
    """Though one classifier has judged both, as it once did whatever the data were."""
    again = shutil.copytree(finished[0], tmp_path / "again")
    settings = json.loads((again / "config.json").read_text())
    (again / "config.json").write_text(json.dumps(settings | {"data_digest": "0123456789abcdef"}))
    for evaluated in ((again,), (again, runs[0])):
        for run in evaluated:
            judged_by(run, "a")
        result = call(compare.main, runs[0], again, "--out", tmp_path / "compare.png")
        found = table(result)
        assert not found.keys() & {*FIGURES, "evaluated after iteration"}
        assert found["data_digest"] == [settings["data_digest"], "0123456789abcdef"]
        assert "\nFigures are left out: the runs are of different data" in result.out


def test_data_that_one_run_does_not_name_may_be_the_same(finished, runs, tmp_path):
    """It is from before runs did."""
    again = shutil.copytree(finished[0], tmp_path / "again")
    settings = json.loads((again / "config.json").read_text())
    (again / "config.json").write_text(json.dumps({k: v for k, v in settings.items() if k != "data_digest"}))
    for run in (runs[0], again):
        judged_by(run, "a")
    assert FIGURES[0] in table(call(compare.main, runs[0], again, "--out", tmp_path / "compare.png"))


def test_time_is_in_minutes_and_seconds(runs):
    side = comparison.read(runs[0])
    for seconds, shown in ((59.4, "0m59s"), (125, "2m05s"), (3_599.6, "60m00s")):
        last = side.metrics[-1] | {"seconds": seconds}
        assert dataclasses.replace(side, metrics=[last]).row()["time"] == shown


@pytest.mark.parametrize("value", ["x", None, [1], float("nan"), 10**400])
def test_line_of_metrics_that_is_damaged_is_left_out(value, runs):
    lines = metrics(runs[0])
    damaged = [*lines[:3], lines[3] | {"d_loss": value}, *lines[4:]]
    (runs[0] / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in damaged))
    assert comparison.read(runs[0]).metrics == lines[:3] + lines[4:]


def test_only_settings_that_differ_are_shown(runs, tmp_path):
    found = table(call(compare.main, *runs, "--out", tmp_path / "compare.png"))
    one, two = (json.loads((run / "config.json").read_text()) for run in runs)
    differing = {name for name in one if one[name] != two[name]} - {"iterations"}
    assert differing == {"model", "sample_every", "checkpoint_every"}
    assert found.keys() & one.keys() == differing | {"iterations"}


def test_run_that_does_not_name_its_model_is_of_a_cgan(runs, tmp_path):
    settings = json.loads((runs[0] / "config.json").read_text())
    del settings["model"]
    (runs[0] / "config.json").write_text(json.dumps(settings))
    assert table(call(compare.main, *runs, "--out", tmp_path / "compare.png"))["model"] == ["cgan", "gan"]


def test_runs_of_one_name_are_told_apart(runs, tmp_path):
    other = shutil.copytree(runs[1], tmp_path / "deeper" / "one")
    assert comparison.titles(*map(comparison.read, (runs[0], other))) == (str(runs[0]), str(other))


def test_name_is_shown_as_it_is(runs, tmp_path):
    """Neither as a border of the table nor as a formula."""
    other = shutil.copytree(runs[1], tmp_path / r"a|b $\x$")
    result = call(compare.main, runs[0], other, "--out", tmp_path / "compare.png")
    assert table(result)[""] == ["one", r"a\|b $\x$"]
    assert (tmp_path / "compare.png").exists()


def last_grid(run):
    return max((run / "samples").iterdir())


def test_grid_is_the_run_s_own_last_one(runs, tmp_path):
    """A grid beyond the last line of metrics is of before the run was resumed."""
    own = last_grid(runs[0])
    Image.new("L", (400, 200), 255).save(runs[0] / "samples" / "999999.png")
    iteration, picture = comparison.read(runs[0]).samples
    with Image.open(own) as expected:
        assert np.array_equal(picture, expected)
    assert iteration == int(own.stem)


def test_of_a_long_name_the_picture_shows_the_end(runs, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "table", lambda axes, cells, **_: drawn.extend(cells) or Table(axes))
    side = dataclasses.replace(comparison.read(runs[0]), folder=tmp_path / ("long " * 20 + "name"))
    comparison.save_picture(tmp_path / "compare.png", side, comparison.read(runs[1]))
    _, left, right = drawn[0]
    assert right == runs[1].name
    assert left.startswith("…")
    assert left.endswith("long long name")
    assert len(left) <= 40


@pytest.mark.parametrize("count", [2, 3])
def test_picture_shows_each(count, runs, tmp_path):
    """Of a run whose samples are made white, that part of the upper part is brighter than when they are not."""
    brightness = []
    for white in range(count):
        folders = [shutil.copytree(runs[n % 2], tmp_path / f"{white}{n}") for n in range(count)]
        Image.new("L", (400, 200), 255).save(last_grid(folders[white]))
        assert call(compare.main, *folders, "--out", tmp_path / "compare.png").code == 0
        with Image.open(tmp_path / "compare.png") as picture:
            assert picture.format == "PNG"
            upper = np.asarray(picture.convert("L"))[: picture.height // 4]
        brightness.append([part.mean() for part in np.array_split(upper, count, axis=1)])
    for n, of_side in enumerate(np.transpose(brightness)):
        assert all(of_side[n] > each + 20 for white, each in enumerate(of_side) if white != n)


def test_picture_says_what_each_run_s_files_say(runs, tmp_path, monkeypatch):
    """Of the first run, the last grid is from before its last line of metrics."""
    last_grid(runs[0]).unlink()
    figures, png = [], comparison.figure_png
    monkeypatch.setattr(comparison, "figure_png", lambda figure: figures.append(figure) or png(figure))
    sides = tuple(map(comparison.read, runs))
    comparison.save_picture(tmp_path / "compare.png", *sides)
    axes = figures[0].axes
    assert [part.get_title() for part in axes[:2]] == ["one: cgan, iteration 40", "two: gan, iteration 30"]
    losses = sorted(axes[2:4], key=lambda part: part.get_position().x0)
    for part, run in zip(losses, runs, strict=True):
        assert part.get_lines()[0].get_ydata().tolist() == [line["d_loss"] for line in metrics(run)]
    cells = axes[4].tables[0].get_celld()
    expected = [("", "one", "two"), *comparison.rows(*sides)]
    assert len(cells) == 3 * len(expected)
    for (row, column), cell in cells.items():
        assert cell.get_text().get_text() == expected[row][column]


def test_of_many_runs_each_has_a_line(runs, tmp_path, monkeypatch):
    """The settings that differ, what came of each, and no picture."""
    monkeypatch.chdir(tmp_path)
    others = [shutil.copytree(runs[0], tmp_path / name) for name in ("three", "four")]
    (others[0] / "evaluation.json").write_text(json.dumps(EVALUATION))
    result = call(compare.main, *runs, *others)
    assert (result.code, result.err) == (0, "")
    head, _, *lines = (line for line in result.out.splitlines() if line.startswith("| "))
    heads, *cells = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in (head, *lines))
    found = {line[0]: dict(zip(heads, line, strict=True)) for line in cells}
    assert list(found) == ["one", "two", "three", "four"]
    assert [line["model"] for line in found.values()] == ["cgan", "gan", "cgan", "cgan"]
    assert [line["conditional accuracy (%)"] for line in found.values()] == ["-", "-", "91.23", "-"]
    assert found["one"]["last d_loss"] == f"{metrics(runs[0])[-1]['d_loss']:.4f}"
    assert not (tmp_path / "compare.png").exists()
    result = call(compare.main, *runs, *others, "--out", tmp_path / "a.png")
    assert_refused(result, "--out", "two or three runs, not of 4")


def test_runs_without_samples_are_compared(runs, tmp_path):
    shutil.rmtree(runs[0] / "samples")
    table(call(compare.main, *runs, "--out", tmp_path / "compare.png"))
    assert (tmp_path / "compare.png").stat().st_size > 10_000


DAMAGES = {
    "no config": ("config.json", None),
    "config no JSON": ("config.json", b"{"),
    "config a list": ("config.json", b"[]"),
    "config of something else": ("config.json", b"{}"),
    "no metrics": ("metrics.jsonl", None),
    "empty metrics": ("metrics.jsonl", b""),
    "evaluation no JSON": ("evaluation.json", b"\xff"),
    "evaluation deep": ("evaluation.json", b"[" * 100_000),
    "evaluation empty": ("evaluation.json", b"{}"),
    "evaluation of something else": ("evaluation.json", b'{"iteration": 1, "generated": {"parzen": 3}}'),
    "evaluation with text": ("evaluation.json", b'{"iteration": 1, "generated": {"diversity": "x"}}'),
    "evaluation by nobody": (
        "evaluation.json",
        json.dumps(EVALUATION | {"classifier": 5}).encode(),
    ),
    "samples no picture": ("samples/000060.png", b"PNG"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_run_is_refused(case, runs, tmp_path):
    name, content = DAMAGES[case]
    (runs[0] / name).unlink(missing_ok=True)
    if content is not None:
        (runs[0] / name).write_bytes(content)
    for given in (runs, runs[::-1]):
        assert_refused(call(compare.main, *given, "--out", tmp_path / "compare.png"), runs[0])
    assert not (tmp_path / "compare.png").exists()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def header(width: int, height: int) -> bytes:
    """What a PNG in greys begins with."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


SOME_PIXELS = chunk(b"IDAT", zlib.compress(bytes(4_000))[:20])

PICTURES = {
    "ends in the header": header(400, 200)[:11],
    "ends after the header": header(400, 200)[:35],
    "ends in the pixels": header(400, 200) + SOME_PIXELS,
    "header too short": header(400, 200)[:8] + chunk(b"IHDR", bytes(12)),
    "no chunk after pixels": header(400, 200) + SOME_PIXELS + bytes(12),
    "too large": header(30_000, 30_000) + SOME_PIXELS,
}


def test_damaged_picture_is_refused(runs, tmp_path):
    for content in PICTURES.values():
        last_grid(runs[0]).write_bytes(content)
        assert_refused(call(compare.main, *runs, "--out", tmp_path / "compare.png"), last_grid(runs[0]))


def test_missing_folders_are_refused(runs, tmp_path):
    assert_refused(call(compare.main, runs[0], tmp_path / "none"), tmp_path / "none")
    out = tmp_path / "none" / "compare.png"
    assert_refused(call(compare.main, *runs, "--out", out), out)


def test_place_that_cannot_be_written_is_named(runs, tmp_path):
    (tmp_path / "taken").mkdir()
    result = call(compare.main, *runs, "--out", tmp_path / "taken")
    assert_refused(result, tmp_path / "taken", os.strerror(21))
    assert not leftovers(tmp_path)
