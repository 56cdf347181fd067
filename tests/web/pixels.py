"""How pictures of a page are compared with those of the command."""

from collections.abc import Callable
from unittest.mock import patch

import numpy as np

from cgan_raw import sampler


def assert_same(found: np.ndarray, draw: Callable[[], np.ndarray]) -> None:
    """That pictures (n, 28, 28) uint8 are those that ``draw`` makes with the CPU's kernels.

    A page has the CPU's bits up to the last layer, whose tanh is NumPy's on the CPU.  By all float32 numbers
    in NumPy 2.4: JavaScript's is the nearest float32, NumPy's for a seventh of those between 2^-22 and 12 the
    one beside it, and for 162 of either sign, whose tanh lies at the edge of a grey level, that is a pixel of
    another level.  So a pixel may be what it would be, had the CPU's tanh been one unit in the last place
    larger or smaller: nearly always the same level.
    """
    least, most = (_drawn(draw, toward) for toward in (-2, 2))
    assert found.shape == most.shape
    assert most.std() > 15, "pictures of one grey would prove nothing"
    assert np.count_nonzero(least != most) <= 1 + most.size // 10_000, "edges of levels should be rare"
    assert np.count_nonzero((found < least) | (found > most)) == 0


def _drawn(draw: Callable[[], np.ndarray], toward: float) -> np.ndarray:
    """Pictures of which each value is first moved by a unit in the last place."""

    def to_uint8(values: np.ndarray, original=sampler.to_uint8) -> np.ndarray:
        return original(np.nextafter(values, values.dtype.type(toward)))

    with patch.object(sampler, "to_uint8", to_uint8):
        return draw()
