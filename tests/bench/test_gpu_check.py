"""How bench.gpu_check goes about its steps; the steps here need no GPU."""

import json
import os
import time

import pytest

from bench import gpu_check
from bench.gpu_check import FAILED, NOT_RUN, PASSED, Step, run, table


def python(name, code, limit=20, **more):
    return Step(name, ("-c", code), limit, **more)


GOOD = python("good", "print('well')", figures=lambda work: {"note": "seen", "value": 3})


@pytest.fixture
def do(tmp_path, monkeypatch):
    """Run steps; their results by name.  What is kept lies in ``tmp_path / "out"``."""
    monkeypatch.setattr(gpu_check, "_GRACE", 1)
    for name in ("out", "work"):
        (tmp_path / name).mkdir()

    def go(*steps, budget=60):
        results = run(steps, tmp_path / "out", tmp_path / "work", budget)
        assert [result.name for result in results] == [step.name for step in steps]
        return {result.name: result for result in results}

    return go


@pytest.mark.parametrize(
    ("step", "note"),
    [
        (python("bad", "raise SystemExit('no such thing')"), "exit code 1; no such thing"),
        (python("bad", "import os; os.abort()"), "exit code -6; it printed nothing"),
        (
            python("bad", "pass", figures=lambda work: json.loads((work / "none").read_text())),
            "FileNotFoundError",
        ),
        (python("bad", "import time; print('begun'); time.sleep(60)", limit=1), "not done after 1 s; begun"),
        (
            python("bad", "raise SystemExit(1)", figures=lambda work: {"note": "2 wrong", "rows": [1]}),
            "exit code 1; 2 wrong",
        ),
    ],
)
def test_a_failure_is_reported_and_the_next_step_runs(do, step, note):
    results = do(step, GOOD)
    assert results["bad"].status == FAILED
    assert note in results["bad"].note
    assert (results["good"].status, results["good"].note) == (PASSED, "seen")


def test_a_missing_package_is_named_and_nothing_runs(do, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    result = do(python("step", code, needs=("json", "no_such_module", "pytest")))["step"]
    assert (result.status, result.note) == (NOT_RUN, "no_such_module is not installed")
    assert not (tmp_path / "ran").exists()


def test_a_package_is_named_as_one_installs_it(do, monkeypatch):
    monkeypatch.setattr(gpu_check.importlib.util, "find_spec", lambda name: None)
    assert do(python("step", "", needs=("PIL", "tqdm")))["step"].note == "Pillow, tqdm are not installed"


def test_the_time_for_all_cuts_a_step_short_and_leaves_out_those_after_it(do, monkeypatch):
    monkeypatch.setattr(gpu_check, "_LEAST", 1)
    started = time.monotonic()
    results = do(python("long", "import time; time.sleep(60)", limit=50), GOOD, budget=2)
    assert time.monotonic() - started < 10
    assert [results[name].status for name in ("long", "good")] == [NOT_RUN, NOT_RUN]
    assert "cut short" in results["long"].note
    assert "left of the time for all" in results["good"].note


def test_no_process_is_left(do, tmp_path):
    """Neither the command, which does not listen to SIGTERM, nor what it started."""
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'ids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)"
    )
    assert do(python("step", code, limit=2))["step"].status == FAILED
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


def test_what_is_kept(do, tmp_path):
    out = tmp_path / "out"
    for name in ("good.log", "absent.log", "samples.png", "figures.json", *gpu_check.RESULTS):
        (out / name).write_text("of an earlier run")
    (tmp_path / "work" / "kernels-gpu.json").write_text("rows")
    samples = tmp_path / "work" / "train" / "samples"
    samples.mkdir(parents=True)
    (samples / "020000.png").write_bytes(b"picture")
    silent = python("silent", "print('hidden')", logged=False)
    do(GOOD, python("absent", "", needs=("no_such_module",)), silent)
    kept = {"good.log", "figures.json", "samples.png", "kernels-gpu.json"}
    assert {path.name for path in out.iterdir()} == kept
    assert (out / "kernels-gpu.json").read_text() == "rows"
    assert (out / "good.log").read_text() == "well\n"
    assert (out / "samples.png").read_bytes() == b"picture"
    good, absent, _ = json.loads((out / "figures.json").read_text())["steps"]
    assert (good["status"], good["figures"]) == (PASSED, {"value": 3})
    assert (absent["status"], absent["seconds"]) == (NOT_RUN, 0)


def test_what_is_known_is_kept_after_each_step(do, tmp_path):
    code = f"import json; print(len(json.load(open({str(tmp_path / 'out' / 'figures.json')!r}))['steps']))"
    do(GOOD, python("reader", code))
    assert (tmp_path / "out" / "reader.log").read_text() == "1\n"


def test_at_most_eight_files_are_kept():
    logs = sum(step.logged for step in gpu_check.STEPS)
    assert 2 + len(gpu_check.RESULTS) + logs <= 8


@pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(3)", 1)])
def test_exit_code(monkeypatch, tmp_path, capsys, code, status):
    previous = gpu_check.signal.getsignal(gpu_check.signal.SIGTERM)
    missing = python("missing", "", needs=("no_such_module",))
    monkeypatch.setattr(gpu_check, "STEPS", (python("step", code), missing))
    monkeypatch.setenv("OUT", str(tmp_path / "deep" / "out"))
    try:
        assert gpu_check.main() == status
    finally:
        gpu_check.signal.signal(gpu_check.signal.SIGTERM, previous)
    assert (tmp_path / "deep" / "out" / "figures.json").exists()
    assert f"{1 - status} passed, {status} failed, 1 not run" in capsys.readouterr().out


def test_table_has_a_line_for_each_step(do):
    lines = table(list(do(GOOD, python("worse", "raise SystemExit('oh')")).values())).splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["good", "passed"], ["worse", "failed"]]
    assert lines[-1] == "1 passed, 1 failed, 0 not run"


# What real steps leave --------------------------------------------------------------------------------------


def pytest_step(folder, code):
    (folder / "test_it.py").write_text(code)
    command = ("-m", "pytest", "-c", os.devnull, "-p", "no:cacheprovider", "--junitxml={work}/tests.xml")
    return Step("tests", (*command, str(folder / "test_it.py")), 60, ("pytest",), gpu_check._tested("tests"))


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
        ("syntax error", FAILED, "exit code 2; 0 tests passed, 1 failed"),
    ],
)
def test_tests_that_are_skipped_have_not_passed(do, tmp_path, code, status, note):
    result = do(pytest_step(tmp_path, code))["tests"]
    assert result.status == status, result
    assert result.note.startswith(note)


@pytest.mark.parametrize(("iteration", "status"), [(20_000, PASSED), (19_900, FAILED)])
def test_a_run_that_is_not_whole_has_not_passed(do, tmp_path, iteration, status):
    (tmp_path / "work" / "train").mkdir()
    lines = [{"iteration": n, "d_loss": 0.5, "seconds": n / 1e4} for n in (100, iteration)]
    (tmp_path / "work" / "train" / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines)
    )
    result = do(python("train", "pass", figures=gpu_check._trained("train")))["train"]
    assert result.status == status, result
    assert status == FAILED or (result.note, result.figures["d_loss"]) == ("20,000 iterations in 2.00 s", 0.5)
