"""An iteration allocates nothing and is a function of its seed: in one process, in two, across a restart."""

import gc
import hashlib
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import short_runs

import cgan_raw

_DIGEST_IN_A_PROCESS = """
import sys
sys.path.insert(0, {folder!r})
import short_runs, test_iteration_runs
print(test_iteration_runs.digest(short_runs.run(short_runs.make_iteration("cpu"), 4)))
"""


def digest(iteration):
    """Of every byte that a checkpoint would hold, and of the losses."""
    content = hashlib.sha256(iteration.read_losses(1, 4).tobytes())
    for name, array in iteration.state().items():
        content.update(name.encode() + array.tobytes())
    return content.hexdigest()


def peak_growth(iteration):
    """The most memory, in bytes, that three iterations after two hold beyond what was there before."""
    short_runs.run(iteration, 2)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        short_runs.run(iteration, 3)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_allocates_no_array():
    """What remains is Python's own: views, integers and argument tuples."""
    assert peak_growth(short_runs.make_iteration("cpu")) < 4096


def test_an_allocation_would_be_seen():
    iteration = short_runs.make_iteration("cpu")
    short_runs.allocates(iteration)
    assert peak_growth(iteration) > 32 * 784 * 4


def test_same_bytes_in_one_process():
    first, second = (short_runs.run(short_runs.make_iteration("cpu"), 4) for _ in range(2))
    assert digest(first) == digest(second)


def test_another_seed_gives_other_bytes():
    first, second = (short_runs.run(short_runs.make_iteration("cpu", seed=seed), 4) for seed in (7, 7 + 2**32))
    assert digest(first) != digest(second)


def test_a_difference_of_rounding_would_be_seen():
    steady, trembling = short_runs.make_iteration("cpu"), short_runs.make_iteration("cpu")
    short_runs.trembles(trembling)
    assert digest(short_runs.run(steady, 4)) != digest(short_runs.run(trembling, 4))


def digest_in_a_process():
    """With as many BLAS threads as a run has that is not a test."""
    code = _DIGEST_IN_A_PROCESS.format(folder=str(Path(__file__).parent))
    checkout = Path(cgan_raw.__file__).parents[1]
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    return subprocess.check_output([sys.executable, "-c", code], cwd=checkout, env=environment, text=True)


def test_same_bytes_in_two_processes():
    first, second = digest_in_a_process(), digest_in_a_process()
    assert len(first.strip()) == 64
    assert first == second


@pytest.mark.parametrize("stop", [1, 3])
def test_same_bytes_after_a_restart(stop):
    straight = short_runs.run(short_runs.make_iteration("cpu"), 4)
    stopped = short_runs.run(short_runs.make_iteration("cpu"), stop)
    resumed = short_runs.make_iteration("cpu")
    resumed.restore(stopped.state(), stop)
    short_runs.run(resumed, 4 - stop)
    for name, array in straight.state().items():
        np.testing.assert_array_equal(resumed.state()[name], array, err_msg=name)
    np.testing.assert_array_equal(resumed.read_losses(stop + 1, 4), straight.read_losses(stop + 1, 4))
