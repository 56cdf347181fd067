"""Training iterations, each implementation by itself; :mod:`bench.compare_iterations` times them in turns.

A row of pytest-benchmark's is one call of many iterations, since JAX compiles a loop over all of them; the
table has one iteration, by the clock of the child process in which the implementation runs.
"""

import pytest

from cgan_raw.config import CGAN, TrainConfig

from .device import places, spread
from .peers import IMPLEMENTATIONS
from .turns import PACES, Child

_ROUNDS = 10
_HERE = [name for name, i in IMPLEMENTATIONS.items() if i.device in places() and i.model == CGAN]


@pytest.mark.parametrize("name", _HERE)
def test_iteration(benchmark, report_iteration, name):
    implementation, batch_size = IMPLEMENTATIONS[name], TrainConfig().batch_size
    if reason := implementation.missing():
        pytest.skip(reason)
    pace, seconds = PACES[implementation.device], []
    iterations = pace.iterations
    benchmark.group = f"{iterations} iterations in a call"
    with Child(name, batch_size, pace) as child:

        def turn():
            seconds.append(child.run(iterations) / iterations)

        try:
            benchmark.pedantic(turn, rounds=_ROUNDS, warmup_rounds=1)
        except RuntimeError as reason:
            if implementation.module == "ours":
                raise
            pytest.skip(f"{implementation.label}: {reason}")  # as in turns, whoever cannot go on is left out
    # Child.run has checked each answer: finite losses, and a counter that moved by as many iterations.
    assert child.done == (_ROUNDS + 1) * iterations
    report_iteration(
        {
            "label": implementation.label,
            "device": implementation.device,
            "batch_size": batch_size,
            "seconds": spread(seconds[1:]),
        }
    )
