"""The pool's protocol in every interleaving of its threads, and defects of it that are found so.

The text of kernels/pool.py runs as Python here, and each access to what threads share is a step, before which
any other may go on.
"""

import inspect
import re
from types import SimpleNamespace

import pytest
from interleavings import explore, step

from cgan_raw.kernels import pool

FORK, STOP = "fork", "stop"  # among the jobs


def _text(part):
    return re.sub(r"\A@.*\n", "", inspect.getsource(getattr(part, "py_func", part)))


PARTS = (pool.Pool, pool._watch, pool.run, pool._run_alone, pool._take_parts)
TEXT = "\n".join(("from __future__ import annotations", *map(_text, PARTS)))


class Mailbox:
    def __init__(self, size, dtype):
        self.words = [0] * size

    def __getitem__(self, index):
        step()
        return self.words[index]

    def __setitem__(self, index, value):
        step()
        self.words[index] = [value] * len(self.words) if isinstance(index, slice) else value

    def add(self, index, value):
        step()
        self.words[index] += value

    def claim(self, index, seen, more):
        step()
        unchanged = self.words[index] == seen
        self.words[index] += more * unchanged
        return unchanged


class Event:
    def __init__(self):
        self.happened = False

    def set(self):
        step()
        self.happened = True

    def wait(self):
        step(lambda: self.happened)

    def clear(self):
        step()
        self.happened = False


class Helper:
    def __init__(self, threads, target, daemon):
        self.threads, self.target = threads, target

    def __index__(self):
        return self.number

    def start(self):
        self.number = self.threads.start(self.target)

    def is_alive(self):
        step()
        return self.threads.alive(self.number)

    def join(self, seconds):
        pass


class Program:
    """Some jobs, one after the other; each is checked when it is said to be done.

    Parameters
    ----------
    names : the pool's, as Python; they are given this run's threads and process.
    jobs : the number of parts of each; or ``FORK``, after which the child goes on, or ``STOP``.
    takers : a set that is told who computes parts.
    """

    def __init__(self, names, helpers, jobs, takers, threads):
        self.helpers, self.jobs, self.takers, self.threads = helpers, jobs, takers, threads
        self.process, self.job, self.done, self.running = 1, (0, 0), [], 0
        names["os"] = SimpleNamespace(getpid=lambda: self.process)
        names["threading"] = SimpleNamespace(Event=Event, Thread=lambda **given: Helper(threads, **given))
        names["_call"] = self.part
        self.pool, self.run = names["Pool"](), names["run"]
        threads.start(self.main)

    def main(self):
        for number, job in enumerate(self.jobs, 1):
            if job == FORK:
                self.fork()
            elif job == STOP:
                self.stop()
            else:
                self.post(number, job)
        self.stop()

    def post(self, number, parts):
        mailbox = self.pool.ready()
        self.job, self.done = (number, parts), []
        mailbox[pool.WORDS] = number
        self.run(mailbox, number, parts)
        assert sorted(self.done) == list(range(parts)), "each part is computed once"
        assert not self.running, "a part is still computed"

    def part(self, address, number, parts, mailbox):
        assert (address, parts) == self.job, "a part of another job"
        self.takers.add(self.threads.current)
        self.running += 1
        assert mailbox[pool.WORDS] == address, "the words of another job"
        self.done.append(number)
        self.running -= 1

    def stop(self):
        assert sum(map(Helper.is_alive, self.pool._helpers)) == self.helpers, "helpers are missing"
        self.pool.stop()
        assert not any(map(Helper.is_alive, self.pool._helpers)), "a helper is left"

    def fork(self):
        step()
        for helper in self.pool._helpers:
            self.threads.vanish(helper.number)
        self.process += 1

    def shared(self):
        happened = self.pool._wake.happened
        return *self.pool.mailbox.words, happened, self.process, self.job, self.running, *sorted(self.done)


def in_time(mailbox, *_):
    """Nobody was late."""


def late(mailbox, *_):
    """The next job is the caller's own."""
    mailbox[pool._ALONE] = 1


def explored(jobs, helpers=1, text=TEXT, judge=in_time):
    """How many states there are, and who computes parts in some of them."""
    names, takers = vars(pool) | {
        "numba": SimpleNamespace(config=SimpleNamespace(NUMBA_NUM_THREADS=helpers + 1)),
        "np": SimpleNamespace(zeros=Mailbox, int64=None),
        "atexit": SimpleNamespace(register=lambda stop: None),
        "_PATIENCE": 1,
        "_load": Mailbox.__getitem__,
        "_store": Mailbox.__setitem__,
        "_add": Mailbox.add,
        "_claim": Mailbox.claim,
        "_POLITE": 0,
        "_wait": lambda looks: None,
        "_ticks": lambda: 0,
        "_judge": judge,
    }, set()  # fmt: skip
    exec(compile(text, pool.__file__, "exec"), names)
    return explore(lambda threads: Program(names, helpers, jobs, takers, threads).shared), takers


def test_jobs_that_the_caller_does_alone_come_between_others():
    states, takers = explored((1, 2, 1), judge=late)
    assert states > 500
    assert takers == {0, 1}


@pytest.mark.parametrize(
    ("jobs", "helpers"), [((2, 2), 1), ((1, FORK, 1), 1), ((1, STOP, 1), 1), ((1,), 2)], ids=str
)
def test_every_interleaving_computes_each_part_once(jobs, helpers):
    states, takers = explored(jobs, helpers)
    assert states > 500
    assert takers >= set(range(helpers + 1)), "everybody helps"


#: What stands in pool.py, what is planted, jobs that show it, what is said.
DEFECTS = {
    "the job is written after it is offered": (
        "    mailbox[_PART], mailbox[_PARTS] = address, parts\n    job = mailbox[_JOB] + 1\n",
        "    job = mailbox[_JOB] + 1\n    _store(mailbox, _JOB, job)\n"
        "    mailbox[_PART], mailbox[_PARTS] = address, parts\n",
        (1, 2),
        "a part of another job",
    ),
    "a claim does not say of which job": (
        "claim >> 2 * _COUNT_BITS != job or front",
        "front",
        (1, 1),
        "a part of another job",
    ),
    "nor is it compared": ("job << 2 * _COUNT_BITS", "0 << 2 * _COUNT_BITS", (1,), "for ever"),
    "two claim the same part": (
        "if _claim(mailbox, _CLAIM, claim, end):",
        "_store(mailbox, _CLAIM, claim + end)\n        if True:",
        (1,),
        "a part is still computed",
    ),
    "one part too many": ("back >= parts", "back > parts", (1,), "each part is computed once"),
    "both ends are one": ("parts - 1 - back", "back", (2,), "each part is computed once"),
    "the last part is not waited for": ("< parts:", "< parts - 1:", (2,), "each part is computed once"),
    "finished before it is computed": (
        "            _call(address, front if end == _FRONT else parts - 1 - back, parts, mailbox)\n"
        "            _add(mailbox, _FINISHED, 1)\n",
        "            _add(mailbox, _FINISHED, 1)\n"
        "            _call(address, front if end == _FRONT else parts - 1 - back, parts, mailbox)\n",
        (1,),
        "each part is computed once",
    ),
    "what was finished is forgotten late": (
        "    _store(mailbox, _JOB, job)\n",
        "    _store(mailbox, _JOB, job)\n    _store(mailbox, _FINISHED, 0)\n",
        (1,),
        "for ever",
    ),
    "helpers are not told of the end": ("self.mailbox[_JOB] = _END", "pass", (1,), "for ever"),
    "helpers do not look for it": ("while self.mailbox[_JOB] != _END", "while True", (1,), "for ever"),
    "the child of a fork has no helpers": (
        "if self._process != os.getpid():\n            self._start()",
        "if self._process is None:\n            self._start()",
        (1, FORK, 1),
        "helpers are missing",
    ),
    "a new beginning finds the old end": ("self.mailbox[:] = 0", "pass", (1, STOP, 1), "helpers are missing"),
}


@pytest.mark.parametrize(("old", "new", "jobs", "said"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_of_the_protocol_is_found(old, new, jobs, said):
    assert TEXT.count(old) == 1
    with pytest.raises(AssertionError, match=said):
        explored(jobs, text=TEXT.replace(old, new))
