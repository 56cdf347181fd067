"""The children that are timed: that answers are checked, that turns alternate, and that who waits is idle."""

import json
import sys
import time
from pathlib import Path

import pytest

from bench import turns
from bench.device import places
from bench.peers import IMPLEMENTATIONS

#: A child that counts, and puts one thing into its answers from the second on.
FAKE = """
import json, sys
done = asked = 0
for line in sys.stdin:
    n = int(line.split()[1])
    done += n
    answer = {"seconds": (7.0 if asked == 0 else 0.5) * n, "iteration": done, "losses": [0.5, 1.0, 0.5]}
    asked += 1
    if asked > 1:
        answer |= json.loads(sys.argv[1])
    print(json.dumps(answer), flush=True)
    if asked == int(sys.argv[2]):
        sys.exit(3)
"""


@pytest.fixture
def fake(monkeypatch):
    """Call it with what the children shall answer, and after how many answers they shall end."""
    monkeypatch.setattr(turns, "_REST", 0)

    def pretend(answer=None, end_after=0):
        command = [sys.executable, "-c", FAKE, json.dumps(answer or {}), str(end_after)]
        monkeypatch.setattr(turns, "_command", lambda *what: command)

    return pretend


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"losses": [float("nan"), 0.5, 0.5]}, "losses"),
        ({"losses": [0.5, 0.5, float("inf")]}, "losses"),
        ({"iteration": 7}, "at iteration 7, expected 8"),
        ({"iteration": 9}, "at iteration 9, expected 8"),
    ],
)
def test_an_answer_that_is_not_the_work_asked_for_is_refused(fake, answer, complaint):
    fake(answer)
    with turns.Child("ours", 32) as child:
        assert child.run(4) == 28.0
        with pytest.raises(RuntimeError, match=complaint):
            child.run(4)


def test_a_child_that_ends_is_reported_with_its_exit_code(fake):
    fake(end_after=1)
    with turns.Child("ours", 32) as child:
        child.run(4)
        with pytest.raises(RuntimeError, match="exit code 3"):
            child.run(4)


def test_turns_alternate_and_the_first_round_is_not_kept(fake, monkeypatch):
    fake()
    order = []
    run = turns.Child.run
    monkeypatch.setattr(turns.Child, "run", lambda self, n: order.append(self.name) or run(self, n))
    seconds = turns.take_turns(["a", "b", "c"], 32, rounds=2, iterations=4, show=lambda line: None)
    assert seconds == {"a": [0.5, 0.5], "b": [0.5, 0.5], "c": [0.5, 0.5]}
    assert "".join(order) == "abc" + "bca" + "cab"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads CPU time from Linux's /proc")
@pytest.mark.parametrize("name", [name for name, i in IMPLEMENTATIONS.items() if i.device in places()])
def test_who_waits_does_not_compute(name):
    """After the rest that comes before another's turn, no thread of a child uses the CPU any more."""
    if reason := IMPLEMENTATIONS[name].missing():
        pytest.skip(reason)
    with turns.Child(name, 32) as child:
        assert child.run(2) > 0
        time.sleep(turns._REST)
        before = _cpu_seconds(child._process.pid)
        time.sleep(0.3)
        assert _cpu_seconds(child._process.pid) - before <= 0.01


def _cpu_seconds(pid):
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) * 1e-9
