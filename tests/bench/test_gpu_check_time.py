"""What bench.gpu_check does when the time of a step or of all is over; and with tests, its longest step."""

import json
import os
import subprocess
import sys

import pytest
from made_up_steps import GOOD, python

from bench import gpu_check, gpu_steps
from bench.gpu_check import CUT_SHORT, FAILED, NOT_RUN, PASSED, chosen
from bench.gpu_steps import STEPS, NotProven, Step


def test_what_a_step_has_measured_counts_when_it_is_cut_short(do, begin):
    figures = {"note": "3 of 5 rounds", "rows": [1, 2, 3]}
    result = do(python("long", begin, figures=lambda folders: dict(figures)))["long"]
    assert (result.status, result.note) == (CUT_SHORT, "after 30 s; 3 of 5 rounds")
    assert result.figures == {"rows": [1, 2, 3]}


@pytest.mark.parametrize(
    ("figures", "status", "note"),
    [
        (lambda folders: json.loads((folders.work / "none").read_text()), CUT_SHORT, "after 30 s; begun"),
        (lambda folders: {"note": "2 passed", "failed": ["one"]}, FAILED, "after 30 s; 2 passed; one"),
        (lambda folders: {"note": "in 2 s", "unfinished": "it ended at 7"}, CUT_SHORT, "after 30 s; in 2 s"),
    ],
)
def test_what_failed_before_the_end_has_failed(do, begin, figures, status, note):
    result = do(python("long", "print('begun', flush=True); " + begin, figures=figures))["long"]
    assert (result.status, result.note) == (status, note)


SAYS_WHAT_IT_HEARS = """
import signal
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: print(signal.Signals(number).name, flush=True))
while True:
    try:
        {begin}
    except InterruptedError:
        pass
"""


def test_sigint_comes_first_then_sigterm_and_then_the_end(do, begin, folders):
    do(python("deaf", SAYS_WHAT_IT_HEARS.format(begin=begin)))
    assert (folders.out / "deaf.log").read_text() == "SIGINT\nSIGTERM\n"


def test_who_ends_on_sigint_is_not_sent_sigterm(do, begin, folders):
    code = f"""
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("SIGTERM", flush=True))
try:
    {begin}
finally:
    print("in order", flush=True)
"""
    do(python("good", code))
    assert (folders.out / "good.log").read_text().splitlines()[0] == "in order"
    assert "SIGTERM" not in (folders.out / "good.log").read_text()


def test_sigint_is_heard_where_a_background_shell_ignores_it(tmp_path):
    """Else no step would hear it: to ignore a signal is inherited."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from bench import gpu_check\n"
        "from bench.gpu_steps import Step\n"
        "child = 'import signal; print(signal.getsignal(signal.SIGINT) == signal.default_int_handler)'\n"
        "gpu_check._check([Step('step', ('-c', child), 20)])"
    )
    environment = {**os.environ, "OUT": str(tmp_path)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=gpu_check.CHECKOUT, env=environment, check=True, capture_output=True)
    assert (tmp_path / "step.log").read_text() == "True\n"


def test_a_step_for_which_too_little_time_is_left_is_not_begun_but_a_shorter_one_is(do, folders, monkeypatch):
    (folders.out / "long.log").write_text("of an earlier call")
    results = do(python("long", "", estimate=100), GOOD, budget=62)
    assert (results["long"].status, results["long"].lacks_time) == (NOT_RUN, True)
    assert results["long"].note == "60 s are left of the time for all, and it takes some 100"
    assert results["good"].status == PASSED
    assert (folders.out / "long.log").exists()


def test_the_time_for_all_cuts_a_step_short_of_its_own_limit(do, begin):
    assert do(python("long", begin, estimate=50), budget=62)["long"].note == "after 60 s; it printed nothing"


@pytest.mark.parametrize(
    "call", [(), ("train", "compare", "kernels"), ("device", "iterations", "tests", "sanitizers")]
)
def test_a_call_ends_in_ten_minutes(call):
    """The two that leave nothing out fit even if every step takes all that it may."""
    ending = sum(grace for _, grace in gpu_check._ENDING)
    assert gpu_check._BUDGET <= 580
    if call:
        assert sum(step.limit for step in chosen(call)) + ending <= gpu_check._BUDGET


def test_the_two_calls_of_the_docstring_leave_no_step_out():
    calls = [words.split() for words in gpu_check.__doc__.replace("\n", " ").split("``")[3:7:2]]
    assert sorted(step.name for call in calls for step in chosen(call)) == sorted(s.name for s in STEPS)


# Real tests -------------------------------------------------------------------------------------------------


def pytest_step(folders, code, **files):
    """A step of pytest on a file of tests, and some more."""
    for name, content in ({"test_it": code} | files).items():
        (folders.work / f"{name}.py").write_text(content)
    flags = ("-c", os.devnull, "-p", "no:cacheprovider", "--continue-on-collection-errors")
    command = ("-m", "pytest", *flags, "--junitxml={work}/tests.xml", "{work}")
    return Step("tests", command, 60, ("pytest",), figures=gpu_steps.tested("tests"))


SKIPPED = "import pytest\n@pytest.mark.skip(reason='no GPU')\ndef test_skipped(): pass\n"


@pytest.mark.parametrize(
    ("code", "status", "note"),
    [
        (SKIPPED, NOT_RUN, "no test ran; 1 skipped: no GPU"),
        (SKIPPED + "def test_one(): pass\n", PASSED, "1 tests passed, 0 failed; 1 skipped: no GPU"),
        (
            SKIPPED + "def test_one(): assert 0\n",
            FAILED,
            "exit code 1; 0 tests passed, 1 failed; 1 skipped: no GPU",
        ),
        ("", FAILED, "exit code 5; "),
    ],
)
def test_tests_that_are_skipped_have_not_passed(do, folders, code, status, note):
    result = do(pytest_step(folders, code), budget=100)["tests"]
    assert result.status == status, result
    assert result.note.startswith(note)


def test_a_file_that_cannot_be_imported_costs_no_other_test(do, folders):
    step = pytest_step(folders, "def test_one(): pass\n", test_broken="import no_such_module\n")
    result = do(step, budget=100)["tests"]
    assert result.status == FAILED
    assert result.note.startswith("exit code 1; 1 tests passed, 1 failed")


def test_of_tests_that_are_cut_short_those_that_ran_count(do, folders, begin, monkeypatch):
    """On SIGTERM pytest would leave no report."""
    monkeypatch.setattr(gpu_check, "_ENDING", [(number, 20) for number, _ in gpu_check._ENDING])
    code = f"def test_one(): pass\ndef test_two(): pass\ndef test_long():\n    {begin}\n"
    result = do(pytest_step(folders, code), budget=140)["tests"]
    assert (result.status, result.note) == (CUT_SHORT, "after 90 s; 2 tests passed, 0 failed")


def test_the_flags_of_the_real_steps():
    """Sanitizers are a step of their own, and both go on after a file that cannot be imported."""
    for step in chosen(["tests", "sanitizers"]):
        assert "--continue-on-collection-errors" in step.command
        assert f"--junitxml={{work}}/{step.name}.xml" in step.command
    tests, sanitizers = chosen(["tests", "sanitizers"])
    assert "--ignore=tests/gpu/test_gpu_sanitizers.py" in tests.command
    assert sanitizers.command[-1] == "tests/gpu/test_gpu_sanitizers.py"


def test_no_test_at_all_is_no_proof_when_it_is_cut_short(do, begin):
    def figures(folders):
        raise NotProven("no test ran")

    assert do(python("long", begin, figures=figures))["long"].status == CUT_SHORT
