"""The CPU's recording of an iteration: the same calls, the same bits, and nothing allocated."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import Replay, make_backend
from cgan_raw.iteration import Iteration


def iteration(backend):
    return Iteration(backend, TrainConfig(seed=5, batch_size=3), load_training(), 8)


def test_a_replayed_iteration_is_the_iteration():
    backends = [make_backend("cpu") for _ in range(2)]
    straight, repeated = map(iteration, backends)
    again = backends[1].repeat(repeated.run)
    for _ in range(4):
        straight.run()
        assert again(100) == 1
    expected = straight.state()
    for name, array in repeated.state().items():
        assert array.tobytes() == expected[name].tobytes(), name


def test_the_table_is_as_before_once_it_is_recorded():
    def double(y, x):
        y[:] = 2 * x

    table, y = SimpleNamespace(double=double), np.zeros(2)
    replay = Replay(table, lambda: table.double(y, np.ones(2)))
    replay(1)
    assert table.double is double
    y[:] = 0
    replay(1)
    np.testing.assert_array_equal(y, 2)


def test_a_recording_that_fails_leaves_the_table_alone():
    def fail():
        raise ArithmeticError

    table = SimpleNamespace(fail=fail)
    with pytest.raises(ArithmeticError):
        Replay(table, lambda: table.fail())(1)
    assert table.fail is fail


def test_a_replayed_iteration_allocates_nothing():
    backend = make_backend("cpu")
    again = backend.repeat(iteration(backend).run)
    for _ in range(3):
        again(1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(5):
        again(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 4096


def test_large_arrays_are_aligned_and_zero():
    """And their ends are their own: what lies on huge pages is cut to size."""
    backend = make_backend("cpu")
    for count in (1, 33, (2 << 20) // 4 - 1, (2 << 20) // 4, 1_500_001):
        first, second = (backend.zeros((count,)) for _ in range(2))
        assert first.size == count
        assert first.ctypes.data % 128 == 0
        first[:] = 1
        assert not second.any()
