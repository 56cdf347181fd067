"""The CPU's pool: each part of a job is computed once, whoever takes it; results do not tell how many did."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from cgan_raw.kernels.compile import kernel
from cgan_raw.kernels.pool import POOL, WORDS, Part, Pool, floats, run

_PATIENCE = 120  # seconds for a child


@Part
def _count(number, parts, words):
    """Add 1 to the part's own element, slowly enough that others get a chance."""
    mine = floats(words[0] + 4 * number, (1,))
    for _ in range(words[1]):
        mine[0] += 1


@kernel
def _count_jobs(mailbox, address, parts, counts, steps, jobs):
    for _ in range(jobs):
        mailbox[WORDS], mailbox[WORDS + 1] = counts.ctypes.data, steps
        run(mailbox, address, parts)


def counted(pool, parts, steps, jobs):
    counts = np.zeros(parts, np.float32)
    _count_jobs(pool.ready(), _count.address, parts, counts, steps, jobs)
    return counts


@pytest.fixture
def pool(monkeypatch):
    """One of four threads, whatever the machine has."""
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 4)
    made = Pool()
    yield made
    made.stop()


@pytest.mark.parametrize("parts", [1, 2, 16, 1000])
@pytest.mark.parametrize("steps", [1, 100])
def test_each_part_is_computed_once_a_job(pool, parts, steps):
    jobs = 20_000 // parts
    np.testing.assert_array_equal(counted(pool, parts, steps, jobs), steps * jobs)


def test_helpers_that_sleep_are_woken(pool):
    counted(pool, 16, 1, 1)
    deadline = time.monotonic() + _PATIENCE
    while pool.asleep < pool.threads - 1:
        assert time.monotonic() < deadline, "nobody goes to sleep"
        time.sleep(0.01)
    while pool.asleep:
        assert time.monotonic() < deadline, "nobody wakes up"
        np.testing.assert_array_equal(counted(pool, 16, 1, 10), 10)


def test_a_pool_that_ended_begins_anew(pool):
    counted(pool, 4, 1, 1)
    pool.stop()
    np.testing.assert_array_equal(counted(pool, 4, 1, 100), 100)


def test_the_pool_of_a_process_has_the_threads_that_numba_has():
    assert 1 <= POOL.threads <= 8


# Whole programs -------------------------------------------------------------------------------------------

TRAIN = """
import hashlib
from cgan_raw.backends import make_backend
from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.iteration import Iteration

iteration = Iteration(make_backend("cpu"), TrainConfig(seed=3, batch_size=33), load_training(), 4)
for _ in range(3):
    iteration.run()
state = iteration.state()
print(hashlib.sha256(b"".join(state[name].tobytes() for name in sorted(state))).hexdigest())
"""

FORK = """
import os
import numpy as np
from cgan_raw.kernels.dense.cpu import dense_forward

x, w, b = (np.ones(shape, np.float32) for shape in ((64, 300), (300, 200), (200,)))
y = np.zeros((64, 200), np.float32)
dense_forward(y, x, w, b)
child = os.fork()
if child == 0:
    y[:] = 0
    dense_forward(y, x, w, b)
    os._exit(0 if (y == 301).all() else 1)
_, status = os.waitpid(child, 0)
assert status == 0
dense_forward(y, x, w, b)
assert (y == 301).all()
"""


def outcome(program, **environment):
    """What a program prints, as a process of its own that ends well and in time."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_results_do_not_depend_on_the_number_of_threads():
    results = {outcome(TRAIN, NUMBA_NUM_THREADS=threads) for threads in ("1", "2", "3")}
    assert len(results) == 1
    assert len(results.pop().strip()) == 64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_has_helpers_of_its_own():
    outcome(FORK)
