"""The table in README.md: what it says, what it leaves alone, and how it refuses."""

import json
import shutil
import subprocess

import pytest

from bench import report
from bench.stamp import stamp

README = f"# Title\n\ntext before\n{report.BEGIN}\nan old table\n{report.END}\ntext after\n"
STAMP = {
    "load": 0.25,
    "device": "A processor, 2 cores",
    "python": "3.11.7",
    "numpy": "2.4.6",
    "numba": "0.68.1",
    "torch": "2.13.0",
    "jax": None,
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "0123456789abcdef",
    "dirty": True,
}


def results(**changes):
    seconds = {"ours": [0.009, 0.010, 0.5, 0.008, 0.012], "torch": [0.020] * 5}
    return {
        "stamp": STAMP,
        "batch_size": 32,
        "rounds": 5,
        "iterations": 20,
        "seconds_per_iteration": seconds,
        "skipped": {"jax": "jax is not installed"},
    } | changes


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(README)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "results"
    path.mkdir()
    (path / "iteration-cpu.json").write_text(json.dumps(results()))
    return path


def run(readme, folder):
    return report.main(["--readme", str(readme), "--results", str(folder)])


def test_the_table_has_medians_quartiles_and_the_ratio(readme, folder):
    assert run(readme, folder) == 0
    text = readme.read_text()
    assert "| cgan_raw, CPU kernels | 10.00 | 9.00 to 12.00 | 3,200 | 0.50 |" in text
    assert "| PyTorch eager | 20.00 | 20.00 to 20.00 | 1,600 | 1.00 |" in text
    assert "| JAX jit + scan | skipped: jax is not installed |" in text
    assert "5 turns of 20 iterations" in text
    assert "A processor, 2 cores; Python 3.11.7, NumPy 2.4.6, Numba 0.68.1, PyTorch 2.13.0." in text
    assert "2026-01-02, commit 0123456789ab with changes, load average before it 0.25." in text


def test_the_rest_of_the_file_stays_and_a_second_run_changes_nothing(readme, folder):
    assert run(readme, folder) == 0
    first = readme.read_bytes()
    before, _, after = first.decode().partition(report.BEGIN)
    assert before == "# Title\n\ntext before\n"
    assert after.endswith(f"\n{report.END}\ntext after\n")
    assert "an old table" not in after
    assert run(readme, folder) == 0
    assert readme.read_bytes() == first


def test_without_pytorch_there_is_no_ratio():
    table = report.table(results(seconds_per_iteration={"ours": [0.01]}, skipped={"torch": "not there"}))
    assert "| cgan_raw, CPU kernels | 10.00 | 10.00 to 10.00 | 3,200 |  |" in table
    assert "| PyTorch eager | skipped: not there |" in table


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n",
        f"{report.BEGIN}\n",
        f"{report.END}\n{report.BEGIN}\n",
        README + README,
        README + report.END,
    ],
)
def test_without_exactly_one_pair_of_markers_it_says_so_and_writes_nothing(readme, folder, capsys, text):
    readme.write_text(text)
    assert run(readme, folder) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(readme) in error
    assert report.BEGIN in error
    assert readme.read_text() == text


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps(results(seconds_per_iteration={"ours": []}))])
def test_results_that_cannot_be_read_are_named(readme, folder, capsys, content):
    (folder / "iteration-cpu.json").write_text(content)
    assert run(readme, folder) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "iteration-cpu.json" in error
    assert readme.read_text() == README


def test_no_results_and_no_readme_are_named(readme, folder, capsys, tmp_path):
    assert run(readme, tmp_path / "nothing") == 2
    assert run(tmp_path / "missing.md", folder) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "nothing" in lines[0]
    assert "missing.md" in lines[1]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_stamp_says_whether_the_checkout_differs_from_its_commit(tmp_path):
    def git(*arguments):
        author = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", tmp_path, *author, *arguments], check=True, capture_output=True)

    assert stamp(tmp_path)["commit"] is None
    assert stamp(tmp_path)["dirty"] is None
    for name in ("code.py", "README.md"):
        (tmp_path / name).write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert len(stamp(tmp_path)["commit"]) == 40
    assert stamp(tmp_path)["dirty"] is False

    (tmp_path / "README.md").write_text("2")  # what measuring and reporting write themselves does not count
    (tmp_path / "bench" / "results").mkdir(parents=True)
    (tmp_path / "bench" / "results" / "iteration-cpu.json").write_text("{}")
    assert stamp(tmp_path)["dirty"] is False
    (tmp_path / "code.py").write_text("2")
    assert stamp(tmp_path)["dirty"] is True
