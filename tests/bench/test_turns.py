"""The children that are timed: that answers are checked, that turns alternate, that who waits is idle, and that
who fails costs nobody else anything."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import compare_iterations, turns
from bench.device import places
from bench.peers import IMPLEMENTATIONS
from bench.turns import PACES, Pace
from cgan_raw.errors import TrainingError

#: A child that counts, with a second an iteration on its first turn and half of one later.  From answer ``at``
#: on it does what it is told: ``answer`` puts something into its answers, ``say`` answers anything, ``end``
#: ends it with code 3, and ``hang`` makes it listen to nobody.
FAKE = """
import json, sys, time
plan, done, asked = json.loads(sys.argv[1]), 0, 0
for line in sys.stdin:
    n = int(line.split()[1])
    done += n
    asked += 1
    answer = {"seconds": (1.0 if asked == 1 else 0.5) * n, "iteration": done, "losses": [0.5, 1.0, 0.5]}
    now = plan if asked >= plan.get("at", 2) else {}
    if "end" in now:
        sys.exit(3)
    if "hang" in now:
        time.sleep(60)
    print(now.get("say", json.dumps(answer | now.get("answer", {}))), flush=True)
"""
PACE = Pace(iterations=4, warm_up=0, first_limit=20, limit=20)


def silent(line):
    pass


@pytest.fixture
def fake(monkeypatch):
    """Call it with what the children do by their names; those that are not named do as asked."""
    monkeypatch.setattr(turns, "_REST", 0)

    def pretend(**plans):
        command = [sys.executable, "-I", "-S", "-c", FAKE]
        monkeypatch.setattr(turns, "_command", lambda name, *_: [*command, json.dumps(plans.get(name, {}))])

    return pretend


def last(found):
    """What the last round has shown, and how many there were."""
    *before, times = found
    return times, len(before) + 1


BAD = [
    ({"answer": {"losses": [float("nan"), 0.5, 0.5]}}, "losses"),
    ({"answer": {"losses": [0.5, 0.5, float("inf")]}}, "losses"),
    ({"answer": {"losses": [0.0, 0.5, 0.5]}}, "losses"),
    ({"answer": {"losses": [0.5, 0.5, 0.0]}}, "losses"),
    ({"answer": {"losses": [0.5, float("nan"), 0.5]}}, "losses"),
    ({"answer": {"losses": [0.5, 0.5]}}, "answered"),
    ({"answer": {"iteration": 7}}, "at iteration 7, expected 8"),
    ({"answer": {"iteration": 9}}, "at iteration 9, expected 8"),
    ({"answer": {"seconds": float("nan")}}, "answered"),
    ({"answer": {"seconds": 0}}, "answered"),
    ({"answer": {"losses": None}}, "answered"),
    ({"say": "[]"}, "answered"),
    ({"say": "no JSON"}, "it answered 'no JSON'"),
    ({"say": '{"error": "OutOfMemory: of 80 GB"}'}, "OutOfMemory: of 80 GB"),
    ({"end": True}, "its process ended with exit code 3"),
]


@pytest.mark.parametrize(("plan", "complaint"), BAD, ids=[complaint for _, complaint in BAD])
def test_an_answer_that_is_not_the_work_asked_for_is_refused(fake, plan, complaint):
    fake(ours=plan)
    with turns.Child("ours", 32, PACE) as child:
        assert child.run(4) == 4.0
        with pytest.raises(RuntimeError, match=complaint):
            child.run(4)


def test_a_child_that_does_not_answer_has_a_limit(fake):
    """A limit of its own for the first turn, in which implementations compile; and nobody waits for its end."""
    fake(ours={"hang": True}, torch={"hang": True, "at": 1})
    started = time.monotonic()
    with turns.Child("ours", 32, Pace(4, 0, first_limit=20, limit=0.2)) as child:
        child.run(4)
        with pytest.raises(RuntimeError, match=r"no answer after 0\.2 s"):
            child.run(4)
        child.end(0)
    with turns.Child("torch", 32, Pace(4, 0, first_limit=0.3, limit=20)) as child:
        with pytest.raises(RuntimeError, match=r"no answer after 0\.3 s"):
            child.run(4)
        child.end(0)
    assert time.monotonic() - started < 10
    assert child._process.returncode == -signal.SIGKILL


def test_half_a_line_is_no_answer(fake, monkeypatch):
    half = "import time; print('{', end='', flush=True); time.sleep(60)"
    monkeypatch.setattr(turns, "_command", lambda *_: [sys.executable, "-I", "-S", "-c", half])
    with turns.Child("ours", 32, Pace(4, 0, first_limit=0.5)) as child:
        with pytest.raises(RuntimeError, match=r"no answer after 0\.5 s"):
            child.run(4)
        child.end(0)


def test_turns_alternate_and_the_first_round_is_not_kept(fake, monkeypatch):
    fake()
    order, ask = [], turns.Child.ask
    monkeypatch.setattr(turns.Child, "ask", lambda self, n: order.append(self.name) or ask(self, n))
    found = list(turns.take_turns(["a", "b", "c"], 32, rounds=2, pace=PACE, show=silent))
    assert [times.rounds for times in found] == [1, 2]
    assert found[0].seconds == {"a": [0.5], "b": [0.5], "c": [0.5]}
    assert found[1].seconds == {"a": [0.5, 0.5], "b": [0.5, 0.5], "c": [0.5, 0.5]}
    assert found[1].dropped == {}
    assert "".join(order) == "abc" + "bca" + "cab"


def test_the_first_turns_are_all_asked_for_before_any_is_waited_for(fake, monkeypatch):
    """So that they compile at the same time."""
    fake()
    order, ask, answer = [], turns.Child.ask, turns.Child.answer
    monkeypatch.setattr(turns.Child, "ask", lambda self, n: order.append("ask") or ask(self, n))
    monkeypatch.setattr(turns.Child, "answer", lambda self: order.append("answer") or answer(self))
    next(turns.take_turns(["a", "b"], 32, rounds=1, pace=PACE, show=silent))
    assert order == ["ask"] * 2 + ["answer"] * 2 + ["ask", "answer"] * 2


def test_before_each_turn_comes_an_untimed_warm_up(fake, monkeypatch):
    """By the clock, so that the fastest has as long a one as the others."""
    fake()
    clock, ran = [0.0], []

    def run(self, iterations):
        clock[0] += 0.2
        ran.append(clock[0])
        warming_up = len(ran) % 4  # three turns until half a second has passed, and then the one that counts
        return 4 * (100.0 if warming_up else 0.5)

    monkeypatch.setattr(turns.Child, "run", run)
    monkeypatch.setattr(turns.time, "monotonic", lambda: clock[0])
    times, _ = last(turns.take_turns(["a"], 32, 2, Pace(4, 0.5, 20), show=silent))
    assert times.seconds == {"a": [0.5, 0.5]}
    assert len(ran) == 8


def test_a_gpu_is_warmed_up():
    assert PACES["gpu"].warm_up > 0
    assert 500 <= PACES["gpu"].iterations <= 1_000


@pytest.mark.parametrize(("plan", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_who_fails_is_dropped_and_the_others_go_on(fake, plan, reason):
    fake(b=plan | {"at": 3})
    shown = []
    times, rounds = last(turns.take_turns(["a", "b", "c"], 32, 3, PACE, show=shown.append))
    assert rounds == 3
    assert times.seconds == {"a": [0.5] * 3, "c": [0.5] * 3}
    assert list(times.dropped) == ["b"]
    assert "b: dropped, " + times.dropped["b"] in shown
    assert reason.replace("expected 8", "expected 12") in times.dropped["b"]


def test_who_fails_at_once_or_does_not_answer_is_dropped(fake, monkeypatch):
    """And ended, since it would use cores or memory that the others need."""
    fake(a={"at": 1, "end": True}, c={"at": 2, "hang": True})
    ended, end = [], turns.Child.end
    monkeypatch.setattr(
        turns.Child, "end", lambda self, patience: end(self, patience) or ended.append(self.name)
    )
    pace = Pace(4, 0, first_limit=20, limit=1)
    found = turns.take_turns(["a", "b", "c"], 32, 2, pace, show=silent)
    assert next(found).seconds == {"b": [0.5]}
    assert ended == ["a", "c"]
    (times,) = found
    assert times.seconds == {"b": [0.5, 0.5]}
    assert times.dropped == {"a": "its process ended with exit code 3", "c": "no answer after 1 s"}


def test_it_is_an_error_if_all_are_dropped(fake):
    fake(a={"at": 1, "end": True}, b={"at": 3, "say": "{}"})
    found = turns.take_turns(["a", "b"], 32, 5, PACE, show=silent)
    assert next(found).seconds == {"b": [0.5]}
    with pytest.raises(TrainingError, match=r"^nothing is left to time: a: .* code 3; b: it answered '{}'$"):
        next(found)


# What is kept -----------------------------------------------------------------------------------------------


@pytest.fixture
def compare(fake, monkeypatch, tmp_path):
    """Run the comparison of fakes on the CPU; the exit code, and what it wrote."""
    monkeypatch.setattr(compare_iterations, "stamp", lambda checkout: STAMP)
    monkeypatch.setattr(compare_iterations, "ready", lambda *_: (["ours", "torch"], {"jax": "not installed"}))
    file = tmp_path / "deep" / "iteration-cpu.json"

    def run(**plans):
        fake(**plans)
        code = compare_iterations.main(
            ["--device", "cpu", "--rounds", "3", "--iterations", "4", "--out", str(file)]
        )
        return code, json.loads(file.read_text()) if file.exists() else None

    return run


STAMP = {"device": "A processor", "gpu": None, "load": 0, "commit": None, "dirty": None, "date": "2026-01-02"}


def test_why_one_was_dropped_stands_with_those_that_are_not_installed(compare, capsys):
    code, kept = compare(torch={"at": 3, "end": True})
    assert code == 0
    assert kept["seconds_per_iteration"] == {"ours": [0.5] * 3}
    assert kept["skipped"] == {"jax": "not installed", "torch": "its process ended with exit code 3"}
    assert "| PyTorch eager | skipped: its process ended with exit code 3 |" in capsys.readouterr().out


def test_rounds_before_all_were_dropped_are_kept(compare, capsys):
    code, kept = compare(ours={"at": 4, "end": True}, torch={"at": 4, "end": True})
    assert code == 1
    assert (kept["rounds"], kept["seconds_per_iteration"]["ours"]) == (2, [0.5] * 2)
    assert capsys.readouterr().err.startswith("error: nothing is left to time: ")


KILLED = """
import sys
from bench import compare_iterations, turns
turns._REST = 0
turns._command = lambda *_: [sys.executable, "-I", "-S", "-c", {fake!r}, '{{"at": 4, "hang": true}}']
compare_iterations.stamp = lambda checkout: {stamp!r}
compare_iterations.ready = lambda *_: (["ours", "torch"], {{}})
compare_iterations.main(["--device", "cpu", "--rounds", "9", "--iterations", "4", "--out", {out!r}])
"""


def test_what_is_killed_in_the_third_round_leaves_two(tmp_path):
    file = tmp_path / "iteration-cpu.json"
    code = KILLED.format(fake=FAKE, stamp=STAMP, out=str(file))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=turns.CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("round 2 of 9"):
                break
        for _ in range(100):
            if file.exists() and json.loads(file.read_text())["rounds"] == 2:
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(file.read_text())["seconds_per_iteration"] == {"ours": [0.5] * 2, "torch": [0.5] * 2}


# Real children ----------------------------------------------------------------------------------------------


def test_a_child_says_why_it_ends():
    """Where it is made, before anybody asks for anything, and what libraries print is no answer."""
    with turns.Child("no_such_implementation", 32, PACE) as child, pytest.raises(RuntimeError) as failure:
        child.run(1)
    assert str(failure.value) == "KeyError: 'no_such_implementation'"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads CPU time from Linux's /proc")
@pytest.mark.parametrize("name", [name for name, i in IMPLEMENTATIONS.items() if i.device in places()])
def test_who_waits_does_not_compute(name):
    """After the rest that comes before another's turn, no thread of a child uses the CPU any more."""
    if reason := IMPLEMENTATIONS[name].missing():
        pytest.skip(reason)
    with turns.Child(name, 32, PACES[IMPLEMENTATIONS[name].device]) as child:
        assert child.run(2) > 0
        time.sleep(turns._REST)
        before = _cpu_seconds(child._process.pid)
        time.sleep(0.3)
        assert _cpu_seconds(child._process.pid) - before <= 0.01


def _cpu_seconds(pid):
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) * 1e-9
