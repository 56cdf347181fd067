"""How bench.gpu_check goes about its steps; the steps here need no GPU."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bench import gpu_check, gpu_steps
from bench.gpu_check import CUT_SHORT, FAILED, NOT_RUN, PASSED, chosen, run, table
from bench.gpu_steps import STEPS, Folders, NotProven, Step
from cgan_raw.errors import InputError


def python(name, code, estimate=20, **more):
    return Step(name, ("-I", "-S", "-c", code), estimate, **more)


GOOD = python("good", "print('well')", figures=lambda folders: {"note": "seen", "value": 3})


@pytest.fixture
def folders(tmp_path):
    made = Folders(tmp_path / "work", tmp_path / "out")
    for folder in made:
        folder.mkdir()
    return made


@pytest.fixture
def do(folders, monkeypatch):
    """Run steps; their results by name.  A step whose time is over has a second to end, after each signal."""
    monkeypatch.setattr(gpu_check, "_ENDING", [(number, 1) for number, _ in gpu_check._ENDING])

    def go(*steps, budget=60):
        results = run(steps, folders, budget)
        assert [result.name for result in results] == [step.name for step in steps]
        return {result.name: result for result in results}

    return go


@pytest.fixture
def begin(folders, monkeypatch):
    """Code for a step whose time is over as soon as it has come to it; so no test depends on how long an
    interpreter takes to start."""
    begun, wait, asked = folders.work / "begun", subprocess.Popen.wait, set()

    def until_begun(process, timeout=None):
        if process.pid in asked:
            return wait(process, timeout)
        asked.add(process.pid)
        for _ in range(3_000):
            if begun.exists():
                raise subprocess.TimeoutExpired(process.args, timeout)
            time.sleep(0.01)
        raise AssertionError("the step did not begin")

    monkeypatch.setattr(subprocess.Popen, "wait", until_begun)
    return f"import time; open({str(begun)!r}, 'w').close(); time.sleep(60)"


@pytest.mark.parametrize(
    ("step", "note"),
    [
        (python("bad", "raise SystemExit('no such thing')"), "exit code 1; no such thing"),
        (python("bad", "import os; os.abort()"), "exit code -6; it printed nothing"),
        (
            python("bad", "pass", figures=lambda folders: json.loads((folders.work / "none").read_text())),
            "made no figures (FileNotFoundError",
        ),
        (
            python("bad", "raise SystemExit(1)", figures=lambda folders: {"note": "2 wrong", "rows": [1]}),
            "exit code 1; 2 wrong",
        ),
        (
            python(
                "bad", "pass", figures=lambda folders: {"note": "3 of 4", "failed": ["one: OSError", "two"]}
            ),
            "3 of 4; one: OSError",
        ),
        (
            python("bad", "pass", figures=lambda folders: {"note": "in 2 s", "unfinished": "it ended at 7"}),
            "it ended at 7; in 2 s",
        ),
    ],
)
def test_a_failure_is_reported_and_the_next_step_runs(do, step, note):
    results = do(step, GOOD)
    assert results["bad"].status == FAILED
    assert results["bad"].note.startswith(note)
    assert (results["good"].status, results["good"].note) == (PASSED, "seen")


def test_a_missing_package_is_named_and_nothing_runs(do, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    result = do(python("step", code, needs=("json", "no_such_module", "pytest")))["step"]
    assert (result.status, result.note) == (NOT_RUN, "no_such_module is not installed")
    assert not (tmp_path / "ran").exists()


def test_a_package_is_named_as_one_installs_it(do, monkeypatch):
    monkeypatch.setattr(gpu_check.importlib.util, "find_spec", lambda name: None)
    assert do(python("step", "", needs=("PIL", "tqdm")))["step"].note == "Pillow, tqdm are not installed"


def test_no_process_is_left(do, tmp_path):
    """Neither the command, which listens to no signal, nor what it started."""
    code = (
        "import os, signal, subprocess, sys, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'ids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)"
    )
    assert do(python("step", code, estimate=1))["step"].status == CUT_SHORT
    for number in (tmp_path / "ids").read_text().split():
        for _ in range(50):
            if not _runs(int(number)):
                break
            time.sleep(0.1)
        assert not _runs(int(number))


def _runs(number):
    try:
        os.kill(number, 0)
        with open(f"/proc/{number}/stat") as file:  # a zombie waits for whoever inherited it
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# When the time is over -------------------------------------------------------------------------------------


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
    "call", [(), ("device", "train", "compare", "iterations"), ("kernels", "tests", "sanitizers")]
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


# Steps by name ----------------------------------------------------------------------------------------------


def names(*words):
    return [step.name for step in chosen(words)]


def test_steps_that_are_named_run_in_the_order_of_the_list():
    everything = ["device", "train", "train_tf32", "compare", "iterations", "kernels", "tests", "sanitizers"]
    assert names() == everything
    assert names("compare", "device", "compare") == ["device", "compare"]
    assert names("train", "device") == ["device", "train", "train_tf32"]
    assert names("train_tf32") == ["train_tf32"]


def test_a_step_that_does_not_exist_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(gpu_check, "_check", lambda steps: pytest.fail("it ran"))
    assert gpu_check.main(["device", "trains"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'trains'" in error
    assert "sanitizers" in error
    with pytest.raises(InputError):
        chosen([""])


# What is kept -----------------------------------------------------------------------------------------------


def steps_kept(folders):
    return json.loads((folders.out / "figures.json").read_text())["steps"]


def test_what_is_kept(do, folders):
    silent = python("silent", "print('hidden')", logged=False)
    do(GOOD, python("absent", "", needs=("no_such_module",)), silent)
    assert {path.name for path in folders.out.iterdir()} == {"good.log", "figures.json"}
    assert (folders.out / "good.log").read_text() == "well\n"
    kept = steps_kept(folders)
    assert (kept["good"]["status"], kept["good"]["figures"]) == (PASSED, {"value": 3})
    assert (kept["absent"]["status"], kept["absent"]["seconds"]) == (NOT_RUN, 0)
    assert kept["silent"]["printed"] == ""


def test_what_a_step_printed_is_kept_with_its_figures_unless_it_passed(do, folders):
    do(python("bad", "print('why'); raise SystemExit(1)", logged=False))
    assert steps_kept(folders)["bad"]["printed"] == "why\n"


def test_what_is_known_is_kept_after_each_step(do, folders):
    code = f"import json; print(list(json.load(open({str(folders.out / 'figures.json')!r}))['steps']))"
    do(GOOD, python("reader", code))
    assert (folders.out / "reader.log").read_text() == "['good']\n"


def test_a_later_call_leaves_what_other_steps_have_left(do, folders):
    maker = python(
        "maker", f"open({str(folders.out / 'rows.json')!r}, 'w').write('rows')", keeps=("rows.json",)
    )
    do(maker)
    do(GOOD)
    assert list(steps_kept(folders)) == ["maker", "good"]
    assert {path.name for path in folders.out.iterdir()} == {
        "maker.log",
        "rows.json",
        "good.log",
        "figures.json",
    }


def test_a_later_call_of_a_step_replaces_what_it_has_left(do, folders):
    for name in ("rows.json", "maker.log"):
        (folders.out / name).write_text("of an earlier call")
    do(python("maker", "raise SystemExit(1)", keeps=("rows.json",), logged=False))
    assert {path.name for path in folders.out.iterdir()} == {"figures.json"}
    do(python("maker", "pass"))
    assert steps_kept(folders)["maker"]["status"] == PASSED


def test_a_step_that_is_not_run_leaves_what_it_has_left_before(do, folders):
    do(python("step", "", keeps=("rows.json",)))
    (folders.out / "rows.json").touch()
    do(python("step", "", keeps=("rows.json",), needs=("no_such_module",)))
    assert steps_kept(folders)["step"]["status"] == PASSED
    assert (folders.out / "rows.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"steps": 3}', '{"steps": [1]}'])
def test_figures_that_cannot_be_read_are_replaced(do, folders, content):
    (folders.out / "figures.json").write_text(content)
    do(GOOD)
    assert list(steps_kept(folders)) == ["good"]


def test_steps_are_in_the_order_of_the_list_whichever_was_first(do, folders):
    do(python("tests", ""))
    do(python("device", ""))
    assert list(steps_kept(folders)) == ["device", "tests"]


def test_at_most_eight_files_are_kept():
    kept = [name for step in STEPS for name in step.keeps] + [step.name for step in STEPS if step.logged]
    assert 1 + len(kept) <= 8


# The command ------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run the command with other steps; its exit code, and what it printed."""
    monkeypatch.setenv("OUT", str(tmp_path / "deep" / "out"))

    def run(*steps):
        monkeypatch.setattr(gpu_check, "STEPS", steps)
        return gpu_check.main([]), capsys.readouterr().out

    return run


@pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(3)", 1)])
def test_exit_code(command, tmp_path, code, status):
    missing = python("missing", "", needs=("no_such_module",))
    exit_code, printed = command(python("step", code), missing)
    assert exit_code == status
    assert (tmp_path / "deep" / "out" / "figures.json").exists()
    assert f"{1 - status} passed, {status} failed, 0 cut short, 1 not run" in printed
    assert "for the rest" not in printed


def test_the_command_for_the_rest_is_told(command):
    exit_code, printed = command(GOOD, python("long", "", 1_000), python("longer", "", 2_000))
    assert exit_code == 0
    assert printed.endswith('\nfor the rest: make gpu-check ARGS="long longer"\n')


def test_what_is_cut_short_has_not_passed(command, begin, monkeypatch):
    exit_code, printed = command(python("long", begin))
    assert exit_code == 1
    assert printed.endswith('\nfor the rest: make gpu-check ARGS="long"\n')


def test_ctrl_c_ends_it_without_a_traceback(command, monkeypatch):
    def interrupt(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(gpu_check, "_ended", interrupt)
    assert command(GOOD)[0] == 130


def test_make_passes_the_names_on():
    done = subprocess.run(
        ["make", "-n", "gpu-check", "ARGS=device train"],
        cwd=gpu_check.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "python3 -m bench.gpu_check device train\n"


def test_table_has_a_line_for_each_step(do):
    lines = table(list(do(GOOD, python("worse", "raise SystemExit('oh')")).values())).splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["good", "passed"], ["worse", "failed"]]
    assert lines[-1] == "1 passed, 1 failed, 0 cut short, 0 not run"


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


def test_of_tests_that_are_cut_short_those_that_ran_count(do, folders, begin):
    """On SIGTERM pytest would leave no report."""
    code = f"def test_one(): pass\ndef test_two(): pass\ndef test_long():\n    {begin}\n"
    result = do(pytest_step(folders, code), budget=100)["tests"]
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
