"""The CPU's pool: each part of a job is computed once, whoever takes it; results do not tell how many did."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from cgan_raw.kernels import pool as pool_module
from cgan_raw.kernels.compile import kernel
from cgan_raw.kernels.pool import POOL, WORDS, Part, Pool, floats, run

_PATIENCE = 120  # seconds for a child
_SOON = 20  # seconds for what takes milliseconds


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


def let_sleep(pool):
    """Wait until all helpers have begun, and sleep."""
    deadline = time.monotonic() + _SOON
    while pool.asleep == pool.threads - 1 or not pool.mailbox[pool_module._JOB]:
        assert time.monotonic() < deadline, "nobody has begun"
        counted(pool, 16, 1, 1)
    while pool.asleep < pool.threads - 1:
        assert time.monotonic() < deadline, "nobody goes to sleep"
        time.sleep(0.01)


def test_helpers_that_sleep_are_woken(pool):
    let_sleep(pool)
    deadline = time.monotonic() + _SOON
    while pool.asleep:
        assert time.monotonic() < deadline, "nobody wakes up"
        np.testing.assert_array_equal(counted(pool, 16, 1, 10), 10)


def test_a_pool_that_ended_begins_anew(pool):
    counted(pool, 4, 1, 1)
    pool.stop()
    np.testing.assert_array_equal(counted(pool, 4, 1, 100), 100)


# Beside other work ----------------------------------------------------------------------------------------


def judged(pool, *jobs):
    """How many jobs are to be done alone after such jobs: parts, time of computing, time of waiting."""
    for job in jobs:
        pool_module._judge(pool.mailbox, *job)
    return pool.mailbox[pool_module._ALONE]


IN_TIME, LATE = (4, 400, 300), (4, 400, 4_000)  # parts of 100 each


def test_a_wait_of_many_parts_makes_the_next_jobs_the_callers_own(pool):
    assert judged(pool, IN_TIME) == 0
    assert judged(pool, (4, 400, 801)) == pool_module._LEAST_PENALTY


def test_a_caller_that_had_no_part_does_not_know_how_long_one_takes(pool):
    assert judged(pool, (0, 0, 4_000)) == 0


def test_the_penalty_doubles_to_a_limit_and_is_forgotten(pool):
    least, most = pool_module._LEAST_PENALTY, pool_module._MOST_PENALTY
    assert judged(pool, LATE, LATE) == 2 * least
    assert judged(pool, *[IN_TIME] * least, LATE) == 2 * least  # a job in time takes one off
    assert judged(pool, *[LATE] * 20) == most
    assert judged(pool, *[IN_TIME] * most, LATE) == least


def test_alone_the_caller_does_every_part_and_wakes_nobody(pool):
    let_sleep(pool)
    pool.mailbox[pool_module._ALONE] = 3
    job = pool.mailbox[pool_module._JOB]
    for _ in range(3):
        np.testing.assert_array_equal(counted(pool, 16, 1, 1), 1)
        time.sleep(0.02)
        assert pool.asleep == pool.threads - 1
    assert pool.mailbox[pool_module._JOB] == job  # nothing was posted
    np.testing.assert_array_equal(counted(pool, 16, 1, 1), 1)
    assert pool.mailbox[pool_module._JOB] == job + 1


@pytest.mark.skipif(not pool_module._CLOCK, reason="no clock that a program may read")
def test_a_helper_that_is_off_its_core_is_noticed(pool):
    """A part that takes a thousand times as long as the others, if a helper has it, looks like that."""
    for _ in range(500):
        counts = np.zeros(16, np.float32)
        _one_slow_job(pool.ready(), _one_is_slow.address, 16, counts, 2_000_000)
        if pool.mailbox[pool_module._ALONE]:
            return
    raise AssertionError("no wait was noticed")


@Part
def _one_is_slow(number, parts, words):
    mine = floats(words[0] + 4 * number, (1,))
    for step in range(words[1] if number == 5 else 2_000):
        mine[0] += step & 1


@kernel
def _one_slow_job(mailbox, address, parts, counts, steps):
    mailbox[WORDS], mailbox[WORDS + 1] = counts.ctypes.data, steps
    run(mailbox, address, parts)


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
from cgan_raw.kernels.pool import POOL

x, w, b = (np.ones(shape, np.float32) for shape in ((64, 300), (300, 200), (200,)))
y = np.zeros((64, 200), np.float32)
dense_forward(y, x, w, b)
child = os.fork()
if child == 0:
    y[:] = 0
    dense_forward(y, x, w, b)
    helpers = sum(helper.is_alive() for helper in POOL._helpers)
    os._exit(0 if (y == 301).all() and helpers == 2 else 1)
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
    outcome(FORK, NUMBA_NUM_THREADS="3")
