"""Cost against batch size and width: which points, and that the networks do become wider."""

import json
import subprocess
import sys

import pytest

from bench import compare_iterations, scaling, turns
from bench.results import CHECKOUT
from cgan_raw import gpu

WIDE = """
from bench.serve import widen
widen({factor})
from bench.peers import initial_values
print({{f"{{n}}.{{name}}": a.shape for n, values in initial_values(0).items() for name, a in values.items()}})
"""


def python(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("factor", "hidden", "last"), [(1, 512, 784), (2, 1024, 784)])
def test_hidden_layers_are_as_many_times_as_wide(factor, hidden, last):
    done = python(WIDE.format(factor=factor))
    shapes = eval(done.stdout, {})
    assert shapes["generator.dense0.weight"] == (100, 256 * factor)
    assert shapes["generator.dense3.weight"] == (1024 * factor, last)
    assert shapes["generator.batchnorm1.gamma"] == (512 * factor,)
    assert shapes["discriminator.dense0.weight"] == (784, hidden)
    assert shapes["discriminator.dense1.weight"] == (hidden, hidden)
    assert shapes["discriminator.dense3.weight"] == (hidden, 1)


def test_networks_that_are_there_already_cannot_be_widened():
    done = python("import cgan_raw.models\nfrom bench.serve import widen\nwiden(2)")
    assert "the widths are read already" in done.stderr


def test_a_child_is_told_batch_size_and_width():
    assert turns._command("jax", 64, 4)[-4:] == ["bench.serve", "jax", "64", "4"]
    with turns.Child("ours", 2, width=2) as child:
        assert child.run(2) > 0


def test_points_are_both_lines_from_the_usual_network_on():
    assert scaling.points()[0] == (32, 1)
    assert [batch for batch, width in scaling.points() if width == 1] == [32 * 2**i for i in range(8)]
    assert [point for point in scaling.points() if point[1] > 1] == [(32, 2), (32, 4)]
    assert scaling.iterations_at(20, 32, 1) == 40
    assert scaling.iterations_at(20, 64, 2) == 5
    assert scaling.iterations_at(20, 4096, 1) == 1


def test_what_is_measured_is_kept(tmp_path, monkeypatch):
    asked = []

    def take_turns(names, batch_size, rounds, iterations, width):
        asked.append((batch_size, width))
        return {name: [0.01] * rounds for name in names}

    monkeypatch.setattr(scaling, "take_turns", take_turns)
    file = tmp_path / "deep" / "scaling-cpu.json"
    assert scaling.main(["--device", "cpu", "--rounds", "2", "--out", str(file)]) == 0
    found = json.loads(file.read_text())
    assert asked == scaling.points() == [(p["batch_size"], p["width"]) for p in found["points"]]
    assert found["points"][0]["seconds_per_iteration"]["ours"] == [0.01, 0.01]
    assert found["stamp"]["device"]


@pytest.mark.parametrize("command", [compare_iterations, scaling])
def test_bad_input_is_one_line(command, capsys, tmp_path):
    for flags in (["--rounds", "0"], ["--rounds", "x"], ["--device", "moon"]):
        with pytest.raises(SystemExit) as end:
            command.main(flags)
        assert end.value.code == 2
    capsys.readouterr()
    if gpu.fault():
        assert command.main(["--device", "gpu", "--out", str(tmp_path / "x.json")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "CuPy" in error
    assert list(tmp_path.iterdir()) == []
