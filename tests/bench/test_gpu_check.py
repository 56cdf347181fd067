"""How bench.gpu_check goes about its steps; the steps here need no GPU."""

import json
import os
import signal
import subprocess
import time

import pytest
from made_up_steps import GOOD, python

from bench import gpu_check
from bench.gpu_check import CUT_SHORT, FAILED, NOT_RUN, PASSED, chosen, table
from bench.gpu_steps import STEPS
from cgan_raw.errors import InputError


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
        ["make", "-n", "--no-print-directory", "gpu-check", "PYTHON=python3", "ARGS=device train"],
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
