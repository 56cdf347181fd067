"""The CPU's pool: each part of a job is computed once, whoever takes it; results do not tell how many did."""

import os
import subprocess
import sys
import time
from itertools import count
from types import FunctionType

import numpy as np
import pytest

from cgan_raw.kernels import pool as pool_module
from cgan_raw.kernels.compile import device, kernel
from cgan_raw.kernels.pool import POOL, Pool, share

_PATIENCE = 120  # seconds for a child
_SOON = 20  # seconds for what takes milliseconds


@device
def _count(number, parts, counts, steps):
    """Add 1 to the part's own element, slowly enough that others get a chance."""
    mine = counts[number:]
    for _ in range(steps):
        mine[0] += 1


@kernel
def _count_jobs(mailbox, parts, counts, steps, jobs):
    for _ in range(jobs):
        share(mailbox, parts, _count, (counts, steps))


def counted(pool, parts, steps, jobs):
    counts = np.zeros(parts, np.float32)
    _count_jobs(pool.ready(), parts, counts, steps, jobs)
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


@device
def _add_up(number, parts, out, whole, numbers, pair):
    out[number] = whole[0, number] + numbers[number] * pair[0] + pair[1]


@kernel
def _add_up_all(mailbox, parts, out, whole, numbers, pair):
    share(mailbox, parts, _add_up, (out, whole, numbers, pair))


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_a_part_is_given_what_the_kernel_was_given(pool, real):
    """Arrays of any shape and type, numbers, and tuples of them."""
    out, whole = np.zeros(16, real), np.arange(16, dtype=real).reshape(1, 16)
    _add_up_all(pool.ready(), 16, out, whole, np.arange(16, dtype=np.uint8), (100, 0.5))
    np.testing.assert_array_equal(out, np.arange(16) * 101 + 0.5)


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


UNIT = 200_000  # ticks, some 0.08 ms
BEARABLE = pool_module._BEARABLE
#: Parts, the caller's own, its time of computing and of waiting.
GAIN = (8, 4, 2 * UNIT, 0)  # others did as much, of which half counts
LOSS = (8, 4, 2 * UNIT, 5 * UNIT + UNIT // 2)  # of which a part's time is no loss
FAILURE = (8, 4, 2 * UNIT, BEARABLE + 2 * UNIT)  # more than is borne, at once


def judged(pool, *jobs):
    """What is owed after such jobs, for how long the caller works alone, and the last term."""
    for job in jobs:
        pool_module._judge(pool.mailbox, *job)
    return tuple(pool.mailbox[[pool_module._DEBT, pool_module._ALONE, pool_module._TERM]])


def test_sharing_that_pays_owes_nothing(pool):
    assert judged(pool, GAIN, GAIN) == (0, 0, 0)


def test_waiting_as_long_as_a_part_takes_is_no_loss(pool):
    """Of large jobs that is more than a gain counts at most."""
    assert judged(pool, *[(8, 4, 400 * UNIT, 100 * UNIT)] * 100) == (0, 0, 0)


def test_losses_are_paid_off(pool):
    assert judged(pool, LOSS) == (4 * UNIT, 0, 0)
    assert judged(pool, GAIN) == (3 * UNIT, 0, 0)
    assert judged(pool, LOSS, LOSS) == (11 * UNIT, 0, 0)
    assert judged(pool, *[GAIN] * 12) == (0, 0, 0)


def test_losses_that_gains_pay_for_never_make_a_caller_work_alone(pool):
    """A core's neighbours take it for a moment again and again."""
    assert judged(pool, *([LOSS] * 2 + [GAIN] * 8) * 1_000) == (0, 0, 0)


def test_losses_that_add_up_are_worked_off_alone(pool):
    jobs = BEARABLE // (4 * UNIT)
    assert judged(pool, *[LOSS] * jobs) == (jobs * 4 * UNIT, 0, 0)
    assert judged(pool, LOSS) == (0, BEARABLE, BEARABLE)


def test_each_failure_doubles_the_term_up_to_a_limit(pool):
    assert judged(pool, FAILURE) == (0, BEARABLE, BEARABLE)
    assert judged(pool, FAILURE) == (0, 2 * BEARABLE, 2 * BEARABLE)
    assert judged(pool, *[FAILURE] * 20) == (0, pool_module._MOST, pool_module._MOST)


def test_gains_beyond_all_debts_shorten_the_term(pool):
    assert judged(pool, FAILURE, LOSS, *[GAIN] * 6)[2] == BEARABLE - 2 * UNIT
    assert judged(pool, *[GAIN] * 100)[2] == 0


def test_a_caller_that_was_off_its_core_has_not_gained_so_much(pool):
    assert judged(pool, LOSS, (8, 1, 100 * UNIT, 0))[0] == 4 * UNIT - pool_module._LARGE


@pytest.mark.parametrize("mine", [0, 8])
def test_who_had_no_part_or_all_of_them_knows_nothing(pool, mine):
    assert judged(pool, (8, mine, 0, 5 * UNIT), (8, mine, 0, 5 * UNIT)) == (0, 0, 0)


def test_alone_the_caller_does_every_part_and_wakes_nobody(pool, monkeypatch):
    let_sleep(pool)
    pool.mailbox[pool_module._ALONE] = 2**40  # some minutes
    job = pool.mailbox[pool_module._JOB]
    with monkeypatch.context() as patch:
        patch.setattr(pool._wake, "set", lambda: pytest.fail("somebody is woken"))
        for _ in range(3):
            np.testing.assert_array_equal(counted(pool, 16, 1, 1), 1)
    assert pool.mailbox[pool_module._JOB] == job  # nothing was posted
    assert pool.mailbox[pool_module._ALONE] < 2**40 - 2
    pool.mailbox[pool_module._ALONE] = 1
    np.testing.assert_array_equal(counted(pool, 16, 1, 2), 2)  # alone, and no longer alone
    assert pool.mailbox[pool_module._JOB] == job + 1
    deadline = time.monotonic() + _SOON
    while pool.asleep:
        assert time.monotonic() < deadline, "nobody is woken after it"
        counted(pool, 16, 1, 1)


@pytest.mark.skipif(not pool_module._CLOCK, reason="no clock that a program may read")
def test_a_helper_that_is_off_its_core_is_noticed(pool):
    """A part that takes a thousand times as long as the others, if a helper has it, looks like that."""
    owed, deadline = [pool_module._DEBT, pool_module._TERM], time.monotonic() + _SOON
    while not pool.mailbox[owed].any():
        assert time.monotonic() < deadline, "no wait was noticed"
        _one_slow_job(pool.ready(), 16, np.zeros(16, np.float32), 2_000_000)


@device
def _one_is_slow(number, parts, counts, steps):
    mine = counts[number:]
    for step in range(steps if number == 12 else 2_000):
        mine[0] += step & 1


@kernel
def _one_slow_job(mailbox, parts, counts, steps):
    share(mailbox, parts, _one_is_slow, (counts, steps))


def test_a_helper_that_others_keep_off_its_core_goes_to_sleep_as_soon():
    looks, ticks = [], count(step=pool_module._PATIENCE // 4)
    names = {"_ticks": ticks.__next__, "_load": lambda *_: 0, "_add": lambda *_: None, "_wait": looks.append}
    FunctionType(pool_module._watch.py_func.__code__, vars(pool_module) | names)(None, pool_module._PATIENCE)
    assert 1 < len(looks) <= 4


def test_without_a_clock_a_helper_goes_to_sleep_after_some_looks():
    looks, names = [], {"_ticks": lambda: 0, "_load": lambda *_: 0, "_add": lambda *_: None}
    names = vars(pool_module) | names | {"_wait": looks.append}
    FunctionType(pool_module._watch.py_func.__code__, names)(None, pool_module._PATIENCE)
    assert 50_000 < len(looks) < 500_000


@pytest.mark.parametrize(
    ("end", "order"),
    [(pool_module._FRONT, [0, 1, 2, 3]), (pool_module._BACK, [3, 2, 1, 0])],
    ids=["caller", "helper"],
)
def test_the_caller_begins_at_the_front_and_a_helper_at_the_back(end, order):
    mailbox, taken = [0] * pool_module.WORDS, []
    mailbox[pool_module._PARTS] = 4

    def claim(mailbox, index, seen, more):
        mailbox[index] += more
        return True

    names = {"_load": list.__getitem__, "_add": lambda *_: None, "_claim": claim}
    names |= {"_call": lambda address, number, *_: taken.append(number)}
    take_parts = FunctionType(pool_module._take_parts.py_func.__code__, vars(pool_module) | names)
    assert take_parts(mailbox, 0, end) == 4
    assert taken == order


def test_the_pool_of_a_process_has_the_threads_that_numba_has():
    assert 1 <= POOL.threads <= 8


# Whole programs -------------------------------------------------------------------------------------------

TRAIN = """
import hashlib
from cgan_raw.devices.choice import make_backend
from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.fused_iteration import make_iteration

config = TrainConfig(seed=3, batch_size=33)
iteration = make_iteration(make_backend("cpu"), config, load_training(), 4, layered={layered})
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


@pytest.mark.parametrize("layered", [False, True], ids=["fused", "layered"])
def test_results_do_not_depend_on_the_number_of_threads(layered):
    program = TRAIN.format(layered=layered)
    results = {outcome(program, NUMBA_NUM_THREADS=threads) for threads in ("1", "2", "3")}
    assert len(results) == 1
    assert len(results.pop().strip()) == 64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_has_helpers_of_its_own():
    outcome(FORK, NUMBA_NUM_THREADS="3")
