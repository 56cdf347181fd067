"""Several ranks compute the run of one, to rounding, and each of them all of it."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import steps
from many import end, start

#: Model, seed and batch.  Of the DCGAN no unit comes so close to a kink in this run that two roundings fall on
#: either side of it (tests/model/test_dcgan_iteration.py).
RUNS = ("gan:1:32", "cgan:1:32", "dcgan:1:4")


@cache
def alone(case: str) -> dict[str, np.ndarray]:
    return steps.run(case)


def together(ranks: int, cases: list[str], folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What so many ranks have, by case and name."""
    result = end(start(ranks, steps.__file__, "out.npz", *cases, cwd=folder))
    assert (result.code, result.out, result.err) == (0, "", "")
    found = {case: {} for case in cases}
    for name, array in np.load(folder / "out.npz").items():
        case, _, tensor = name.partition("/")
        found[case][tensor] = array
    return found


def assert_same_run(found: dict[str, dict[str, np.ndarray]], tolerance: float) -> None:
    for case, state in found.items():
        assert state.pop("states") == 1, f"{case}: the ranks differ"
        expected = alone(case)
        assert state.keys() == expected.keys()
        for name, array in expected.items():
            assert not (error := np.abs(state[name] - array).max()) > tolerance, (case, name, error)
            assert np.isfinite(state[name]).all()


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_in_float64(ranks, tmp_path):
    cases = [f"reference:{model}:5:12:5" for model in ("gan", "cgan", "dcgan")]
    assert_same_run(together(ranks, cases, tmp_path), 1e-12)


def test_in_float32(tmp_path):
    """By calls that are recorded in the first iteration; twice, to the same bits."""
    cases = [f"cpu:{run}:5" for run in RUNS]
    first, again = (together(2, cases, tmp_path) for _ in range(2))
    for case in cases:
        assert [n for n, array in first[case].items() if array.tobytes() != again[case][n].tobytes()] == []
    assert_same_run(first, 1e-6)


def test_by_simt(tmp_path):
    """Of the DCGAN each rank sums its rows in parts."""
    assert_same_run(together(2, ["simt:cgan:1:32:1", "simt:dcgan:1:8:1"], tmp_path), 1e-6)
