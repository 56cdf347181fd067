"""The list of planted bugs still fits the code, and the command that plants them tells found from not found."""

import shlex
import shutil
import subprocess
from collections import Counter

import pytest
import run
from run import Check, Mutant

MUTANTS = run.mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_still_applies(mutant):
    """Its text stands once in its file, and its check names a file of tests."""
    text = (run.ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutant.plant(text) != text
    path = shlex.split(mutant.check.tests)[0].partition("::")[0]
    assert (run.ROOT / path).is_file()


def test_they_are_many_and_no_name_comes_twice():
    assert len(MUTANTS) >= 60
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1


@pytest.fixture
def project(tmp_path):
    """A checkout with one function, a link to its folder, and tests that are not committed yet."""
    if shutil.which("git") is None:
        pytest.skip("needs git, which knows the files of a checkout")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "kernels").mkdir()
    (tmp_path / "link").symlink_to("kernels")
    (tmp_path / "kernels" / "half.py").write_text("def half(x):\n    return x // 2\n")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    (tmp_path / "test_half.py").write_text(
        "from kernels.half import half\n\ndef test_four():\n    assert half(4) == 2\n\n"
        "def test_five():\n    assert half(5) == 2\n\ndef test_wrong():\n    assert half(5) == 3\n"
    )
    return tmp_path


def planted(name, old, new, check):
    return Mutant(name, "kernels/half.py", old, new, Check(f"test_half.py::{check}"))


def test_found_is_told_from_everything_else(project):
    said = []
    bugs = [
        planted("found", "//", "+ 1 - 1 +", "test_four"),
        planted("another", "//", "/", "test_five"),
        planted("not-found", "//", "/", "test_four"),
        planted("gone", "%", "/", "test_four"),
        planted("twice", "x", "y", "test_four"),
        planted("no-test", "//", "/", "test_six"),
        planted("wrong", "//", "/", "test_wrong"),
    ]
    assert not run.run(bugs, project, said.append)
    assert said[-1] == "2 of 7 planted bugs found"
    lines = {line.split()[0]: " ".join(line.split()[3:]) for line in said[2:-1]}
    assert lines.pop("gone").startswith("ERROR, does not apply: its text stands 0 times in kernels/half.py")
    assert lines.pop("twice").startswith("ERROR, does not apply: its text stands 2 times")
    assert lines == {"found": "found", "another": "found", "not-found": "NOT FOUND"}
    without = {line.partition("::")[2].partition(":")[0]: line for line in said[:2]}
    assert "cannot run, exit code 4" in without["test_six"]
    assert without["test_wrong"].endswith(": fails")
    assert "//" in (project / "kernels" / "half.py").read_text(), "the checkout itself stays as it is"


def test_all_found(project):
    assert run.run([planted("found", "//", "+ 1 - 1 +", "test_four")], project, lambda line: None)


def test_an_unknown_name_is_refused(capsys):
    assert run.main(["no-such-bug", MUTANTS[0].name]) == 2
    assert capsys.readouterr().err == "no planted bug is called no-such-bug\n"
