"""The table in README.md: what it says, what it leaves alone, and how it refuses."""

import json
import shutil
import subprocess

import pytest

from bench import report
from bench.results import tag
from bench.stamp import stamp

README = f"# Title\n\ntext before\n{report.BEGIN}\nan old table\n{report.END}\ntext after\n"
STAMP = {
    "load": 0.25,
    "device": "A processor, 2 cores",
    "gpu": None,
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
        "device": "cpu",
        "batch_size": 32,
        "rounds": 5,
        "iterations": 20,
        "seconds_per_iteration": seconds,
        "skipped": {"jax": "jax is not installed"},
    } | changes


def kernels():
    """One product at two shapes by ours and NumPy, Adam, and an op without arithmetic."""

    def row(op, folder, sizes, by, us, flop, bytes_, calls=2):
        return {
            "op": op, "folder": folder, "sizes": sizes, "by": by, "calls": calls, "place": "cpu",
            "default": by == "cpu", "expert": by != "cpu", "precision": "float32",
            "flop": flop, "bytes": bytes_,
            "seconds": {"median": us * 1e-6, "low": us * 0.9e-6, "high": us * 1.2e-6},
            "host_seconds": {"median": us * 1e-6, "low": us * 0.9e-6, "high": us * 1.2e-6},
        }  # fmt: skip

    small, large = {"M": 32, "N": 8, "K": 100}, {"M": 32, "N": 16, "K": 100}
    return {
        "stamp": STAMP,
        "device": "cpu",
        "rounds": 20,
        "peaks": {"cpu": {"flop": {"float32": 1e11}, "bytes": 2e10}},
        "rows": [
            row("adam_step", "adam", {"n": 1000}, "cpu", 20.0, 11_000, 28_000),
            row("dense_forward", "dense", small, "cpu", 10.0, 500_000, 20_000),
            row("dense_forward", "dense", small, "NumPy", 8.0, 500_000, 20_000),
            row("dense_forward", "dense", large, "cpu", 40.0, 2_000_000, 80_000),
            row("losses_record", "bookkeeping", {"R": 4, "C": 6}, "cpu", 1.0, 0, 56, calls=1),
        ],
    }


def scaling():
    """Ours gains little from 64 on; PyTorch still does."""

    def point(batch, width, ours, torch):
        seconds = {"ours": [9.0, ours, 0.0], "torch": [torch] * 3}
        return {"batch_size": batch, "width": width, "iterations": 4, "seconds_per_iteration": seconds}

    points = [point(32, 1, 0.01, 0.02), point(64, 1, 0.0115, 0.021), point(128, 1, 0.022, 0.022)]
    points.append(point(32, 2, 0.03, 0.05))
    return {"stamp": STAMP, "device": "cpu", "rounds": 3, "points": points, "skipped": {}}


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


@pytest.fixture
def everything(folder):
    for name, content in (("kernels", kernels()), ("scaling", scaling())):
        (folder / f"{name}-cpu.json").write_text(json.dumps(content))
    return folder


def run(readme, folder):
    plots = readme.parent / "docs" / "bench"
    return report.main(["--readme", str(readme), "--results", str(folder), "--plots", str(plots)])


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


def test_kernels_are_summed_over_an_iteration(readme, everything):
    assert run(readme, everything) == 0
    text = readme.read_text()
    assert "| adam | 2 | 0.02 | 0.06 | 40 | 7% |" in text  # 28 kB at 20 GB/s take 1.4 us of 20
    assert "| dense | 4 | 5.00 | 0.20 | 100 | 50% |" in text  # 5 and 20 us of 10 and 40; NumPy is not launched
    assert "| all | 7 | 5.02 | 0.26 | 141 |" in text


def test_where_a_line_bends(readme, everything):
    assert run(readme, everything) == 0
    text = readme.read_text()
    assert "| cgan_raw, CPU kernels | 3,200 | 5,818 | 64 | 3.0 |" in text
    assert "| PyTorch eager | 1,600 | 5,818 | 128 | 2.5 |" in text


def test_every_kernel_has_a_line_on_the_page(readme, everything):
    assert run(readme, everything) == 0
    page = (readme.parent / "docs" / "bench" / "kernels-cpu.md").read_text()
    assert "| dense_forward | M=32 N=8 K=100 | cpu | 10.0 | 9.0-12.0 | 50.0 | 2.0 | 50% |" in page
    assert "|  |  | NumPy | 8.0 |" in page
    assert "100.0 GFLOP/s float32; 20.0 GB/s" in page


def partial_kernels():
    """The product at the larger shape has failed, and the time was over before Adam."""
    results = kernels()
    adam, small, _, large, record = results["rows"]
    return results | {
        "rows": [small, record],
        "untimed": [
            {k: v for k, v in row.items() if "seconds" not in k} | {"reason": reason}
            for row, reason in ((adam, None), (large, "OutOfMemory: 1 GB"))
        ],
        "skipped": {"cuBLAS": "ImportError: libcublas.so.13"},
    }


def test_kernels_that_were_not_timed_are_in_no_sum(readme, folder):
    (folder / "kernels-cpu.json").write_text(json.dumps(partial_kernels()))
    assert run(readme, folder) == 0
    text = readme.read_text()
    assert "| adam | 2 | 0.02 | 0.06 | not all timed |  |" in text
    assert "| dense | 4 | 5.00 | 0.20 | not all timed |  |" in text
    assert "| bookkeeping | 1 | 0.00 | 0.00 | 1 | 0% |" in text
    assert "| all | 7 | 5.02 | 0.26 | not all timed |  |" in text
    assert "2 of 4 kernels were not timed." in text
    page = (readme.parent / "docs" / "bench" / "kernels-cpu.md").read_text()
    assert "| adam_step | n=1000 | cpu | the time was over |" in page
    assert "| dense_forward | M=32 N=16 K=100 | cpu | OutOfMemory: 1 GB |" in page
    assert "|  |  | cuBLAS | ImportError: libcublas.so.13 |" in page


@pytest.mark.parametrize("used", [("losses_record",), ("adam_step",), ("dense_forward",)])
def test_a_plot_of_nothing_is_left_out(readme, folder, used):
    rows = [row for row in kernels()["rows"] if row["op"] in used]
    (folder / "kernels-cpu.json").write_text(json.dumps(kernels() | {"rows": rows}))
    assert run(readme, folder) == 0
    drawn = {"dense-cpu.png": "dense_forward" in used, "roofline-cpu.png": "losses_record" not in used}
    for name, there in drawn.items():
        assert (name in readme.read_text()) == there
        assert (readme.parent / "docs" / "bench" / name).exists() == there


def test_no_kernel_at_all_is_said_in_one_line(readme, folder, capsys):
    (folder / "kernels-cpu.json").write_text(json.dumps(kernels() | {"rows": []}))
    assert run(readme, folder) == 2
    assert capsys.readouterr().err == f"error: {folder / 'kernels-cpu.json'}: no kernel was timed\n"
    assert readme.read_text() == README


def test_without_a_roof_of_arithmetic_there_is_no_share_of_it(readme, folder):
    """As where cuBLAS is missing, which measures it."""
    results = kernels() | {"peaks": {"cpu": {"flop": {}, "bytes": 2e10}}}
    (folder / "kernels-cpu.json").write_text(json.dumps(results))
    assert run(readme, folder) == 0
    assert "| dense | 4 | 5.00 | 0.20 | 100 |  |" in readme.read_text()
    page = (readme.parent / "docs" / "bench" / "kernels-cpu.md").read_text()
    assert "| dense_forward | M=32 N=8 K=100 | cpu | 10.0 | 9.0-12.0 | 50.0 | 2.0 |  |" in page
    assert "FLOP/s not known; 20.0 GB/s" in page
    assert (readme.parent / "docs" / "bench" / "dense-cpu.png").exists()


@pytest.mark.parametrize(("bandwidth", "said"), [(1e9, True), (2e10, False)])
def test_a_share_above_the_roof_is_owned_up_to(readme, folder, bandwidth, said):
    """Of memory: the op without arithmetic moved 56 bytes in 1 us, Adam 28,000 in 20."""
    peaks = {"cpu": {"flop": {"float32": 1e11}, "bytes": bandwidth}}
    (folder / "kernels-cpu.json").write_text(json.dumps(kernels() | {"peaks": peaks}))
    assert run(readme, folder) == 0
    sentence = "A share above 100% shows a peak that was measured too low"
    page = (readme.parent / "docs" / "bench" / "kernels-cpu.md").read_text()
    assert (sentence in readme.read_text(), sentence in page) == (said, said)


def test_points_that_were_not_reached_or_where_one_could_not_go_on(readme, folder):
    results = scaling()
    results["points"][2]["seconds_per_iteration"].pop("torch")
    results["points"][2]["skipped"] = {"torch": "no answer after 60 s"}
    results["points"].pop()
    (folder / "scaling-cpu.json").write_text(json.dumps(results))
    assert run(readme, folder) == 0
    text = readme.read_text()
    assert "| cgan_raw, CPU kernels | 3,200 | 5,818 | 64 |\n" in text
    assert "| PyTorch eager | 1,600 |  | 64 |\n" in text
    assert "\nPyTorch eager at batch 128, width x1: no answer after 60 s.\n" in text


def test_one_who_could_never_go_on_is_said_once(readme, folder):
    results = scaling()
    for point in results["points"]:
        point["skipped"] = {"jax": "no answer"}
    (folder / "scaling-cpu.json").write_text(json.dumps(results))
    assert run(readme, folder) == 0
    more = len(results["points"]) - 1
    assert (
        f"\nJAX jit + scan at batch 32, width x1: no answer, and at {more} points more.\n" in readme.read_text()
    )


def test_who_has_no_time_at_the_usual_width_has_no_ratio(readme, folder):
    results = scaling()
    results["points"][0]["seconds_per_iteration"].pop("torch")
    (folder / "scaling-cpu.json").write_text(json.dumps(results))
    assert run(readme, folder) == 0
    assert "| PyTorch eager |  | 5,818 | 128 |  |" in readme.read_text()


def test_narrower_vectors_have_tables_of_their_own_after_the_others(readme, everything):
    for name, content in (("iteration", results()), ("kernels", kernels()), ("scaling", scaling())):
        content["stamp"] = STAMP | {"instructions": "AVX2", "narrowed": True}
        (everything / f"{name}-cpu-avx2.json").write_text(json.dumps(content))
    assert run(readme, everything) == 0
    text = readme.read_text()
    order = ["iteration-cpu.png", "iteration-cpu-avx2.png", "scaling-cpu.png", "scaling-cpu-avx2.png"]
    assert sorted(order, key=text.index) == order
    assert text.count("A processor, 2 cores, AVX2:") == 2
    assert "[Every kernel with AVX2](docs/bench/kernels-cpu-avx2.md)" in text
    assert text.count("| adam |") == 1


def test_a_gpu_keeps_its_tables_whatever_vectors_the_cpu_had(readme, folder):
    content = kernels()
    content |= {"device": "gpu", "peaks": {"gpu": content["peaks"]["cpu"]}}
    content["stamp"] = STAMP | {"gpu": "A GPU", "instructions": "AVX2", "narrowed": True}
    content["rows"] = [row | {"place": "gpu"} for row in content["rows"]]
    (folder / "kernels-gpu.json").write_text(json.dumps(content))
    assert run(readme, folder) == 0
    assert "| adam |" in readme.read_text()


@pytest.mark.parametrize("narrowed", [False, True])
def test_only_a_cpu_has_narrower_vectors(narrowed):
    has = {"instructions": "AVX2", "narrowed": narrowed}
    assert tag("cpu", has) == ("cpu-avx2" if narrowed else "cpu")
    assert tag("gpu", has) == "gpu"


def test_plots_are_small_and_the_same_every_time(readme, everything):
    assert run(readme, everything) == 0
    folder = readme.parent / "docs" / "bench"
    names = sorted(file.name for file in folder.glob("*.png"))
    assert names == ["dense-cpu.png", "iteration-cpu.png", "roofline-cpu.png", "scaling-cpu.png"]
    before = {name: (folder / name).read_bytes() for name in names}
    for name, content in before.items():
        assert content.startswith(b"\x89PNG")
        assert 5_000 < len(content) < 100_000, name
        assert f"(docs/bench/{name})" in readme.read_text()
    assert run(readme, everything) == 0
    assert {name: (folder / name).read_bytes() for name in names} == before


@pytest.mark.parametrize(("name", "content"), [("kernels", kernels()), ("scaling", scaling())])
def test_results_that_lack_something_are_named_and_nothing_is_written(
    readme, everything, capsys, name, content
):
    for key in content.keys() - {"skipped"}:
        broken = {k: v for k, v in content.items() if k != key}
        (everything / f"{name}-cpu.json").write_text(json.dumps(broken))
        assert run(readme, everything) == 2, key
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{name}-cpu.json" in error
        assert readme.read_text() == README
        assert not (readme.parent / "docs").exists()


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
    assert not (readme.parent / "docs").exists()


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
