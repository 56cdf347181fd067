"""Cost against batch size and width: which points, and that the networks do become wider."""

import json
import subprocess
import sys

import pytest

from bench import compare_iterations, scaling, turns
from bench.results import CHECKOUT
from cgan_raw.devices import gpu
from cgan_raw.errors import TrainingError

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
    with turns.Child("ours", 2, turns.PACES["cpu"], width=2) as child:
        assert child.run(2) > 0


def test_points_are_both_lines_from_the_usual_network_on():
    assert scaling.points()[0] == (32, 1)
    assert [batch for batch, width in scaling.points() if width == 1] == [32 * 2**i for i in range(8)]
    assert [point for point in scaling.points() if point[1] > 1] == [(32, 2), (32, 4)]
    assert scaling.iterations_at(20, 32, 1) == 40
    assert scaling.iterations_at(20, 64, 2) == 5
    assert scaling.iterations_at(20, 4096, 1) == 1


@pytest.fixture
def scale(tmp_path, monkeypatch):
    """Run it with turns that are made up; the exit code, what is kept, and at which points they were taken.

    Parameters
    ----------
    spoil : the number of a round -> what to do before it.
    """
    file = tmp_path / "deep" / "scaling-cpu.json"

    def run(spoil=lambda round_: None):
        asked, rounds_taken = [], []

        def take_turns(names, batch_size, rounds, pace, width):
            asked.append((batch_size, width))
            assert pace.iterations == scaling.iterations_at(20, batch_size, width)
            for round_ in range(1, rounds + 1):
                rounds_taken.append(round_)
                spoil(len(rounds_taken))
                yield turns.Times(round_, {"ours": [0.01] * round_}, {"torch": "too large"})

        monkeypatch.setattr(scaling, "take_turns", take_turns)
        code = scaling.main(["--device", "cpu", "--rounds", "2", "--out", str(file)])
        return code, json.loads(file.read_text()), asked

    return run


def test_what_is_measured_is_kept(scale):
    code, found, asked = scale()
    assert code == 0
    assert asked == scaling.points() == [(p["batch_size"], p["width"]) for p in found["points"]]
    assert found["points"][0]["seconds_per_iteration"] == {"ours": [0.01, 0.01]}
    assert found["points"][0]["skipped"] == {"torch": "too large"}
    assert found["stamp"]["device"]


def test_it_is_kept_after_each_round(scale):
    """Here the third, the first of the second point, is the last one."""

    def fail(round_):
        if round_ == 4:
            raise TrainingError("nothing is left to time")

    code, found, _ = scale(fail)
    assert code == 1
    taken = [(p["batch_size"], p["seconds_per_iteration"]["ours"]) for p in found["points"]]
    assert taken == [(32, [0.01, 0.01]), (64, [0.01])]


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
