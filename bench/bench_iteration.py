"""Training iterations, each implementation by itself; :mod:`bench.compare_iterations` times them in turns.

A row is one call of ``ITERATIONS`` iterations, since JAX compiles a loop over all of them; extra_info has one
iteration.  The implementation runs in a child process, and the round trip to it, some 0.1 ms, is in the time.
"""

import pytest

from cgan_raw.config import TrainConfig

from .peers import IMPLEMENTATIONS
from .turns import Child

pytest.importorskip("pytest_benchmark")

ITERATIONS = 20
_ROUNDS = 15


@pytest.mark.benchmark(group=f"iteration, {ITERATIONS} in a call")
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_iteration(benchmark, name):
    if reason := IMPLEMENTATIONS[name].missing():
        pytest.skip(reason)
    with Child(name, TrainConfig().batch_size) as child:
        benchmark.pedantic(child.run, (ITERATIONS,), rounds=_ROUNDS, warmup_rounds=1)
    # Child.run has checked each answer: finite losses, and a counter that moved by ITERATIONS.
    assert child.done == (_ROUNDS + 1) * ITERATIONS
    benchmark.extra_info["implementation"] = IMPLEMENTATIONS[name].label
    benchmark.extra_info["ms_per_iteration"] = 1e3 * benchmark.stats["median"] / ITERATIONS
