"""What ``explain`` says of kernels is so: counts known by arithmetic, limits of NVIDIA's calculator; of every
kernel it says something, and what it cannot do it says in a line."""

import dataclasses
import json
import math
import re
import shutil
import sys
from collections import defaultdict
from itertools import count
from xml.etree import ElementTree

import pytest
from commands import assert_refused, call
from explained import SMALL, access, made_up, numbers, small

from cgan_raw.calls import costliest, uncalled
from cgan_raw.explain import __main__ as explain
from cgan_raw.explain import figures, picture, report, subject
from cgan_raw.explain.gpus import DEFAULT, GPUS
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt import compiler
from cgan_raw.kernels.simt import trace as tracer

NUMBERS = count()
PLAIN = report.Paint(on=False)
COLUMNS = 80


# Every kernel -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", subject.kernels())
def test_every_kernel_is_explained(name):
    """Each count below its line, the same in the numbers; no line is too long; the picture is XML."""
    of, trace = small(name)
    lines = list(report.report(of, trace, numbers(name), GPUS[DEFAULT], COLUMNS, PLAIN))
    assert max(map(len, lines)) <= COLUMNS
    said = [line for line in lines if line.startswith("      | ")]
    assert len(said) == len(trace.accesses) > 0
    requests = sum(int(re.search(r"([\d,]+) x ", line)[1].replace(",", "")) for line in said)
    assert requests == numbers(name)["requests"]
    assert f"void {of.written}(" in "\n".join(report.source(of, trace, 2 * COLUMNS, PLAIN))
    assert lines[-1].startswith("Bound by ")
    assert ElementTree.fromstring(picture.picture(of, trace)).tag.endswith("svg")


@pytest.mark.parametrize("name", subject.kernels())
def test_every_kernel_stores_what_it_makes(name):
    """A trace that lost accesses would have less than each element of the first destination."""
    of, trace = small(name)
    destination = of.op.arguments[0]
    elements = math.prod(destination.shape(of.sizes))
    elements = {"losses_record": 33, "fused_record": 33}.get(name, elements)  # a row of the ring
    if of.op.name == "fused_train_batchnorm":
        elements += elements // 33  # what it stores of rows beyond 32, of which there is one, it needs again
    width = 8 if destination.dtype == "int64" else 4
    assert sum(a.asked for a in trace.of("global", "store") if a.array == destination.name) == width * elements


# Counts -----------------------------------------------------------------------------------------------------


def test_counts_of_a_map_are_those_of_arithmetic():
    """64 columns of 4 rows: 8 warps, each with 128 neighbouring bytes of x and of y."""
    (of,) = subject.subjects(["leaky_relu_forward"], "B=4,C=64")
    trace = figures.traced(of)
    found = figures.figures(of, trace, GPUS["h200"])
    assert found["bytes"] == {"asked": 2048, "in_sectors": 2048, "least": 2048}
    assert found["per_unit"]["asked"] == 8
    assert (found["barriers"], found["divergent"]) == (0, 0)
    for of_line in found["accesses"]:
        assert tuple(of_line[name] for name in ("requests", "lanes", "units", "fewest")) == (8, 256, 32, 32)
    lines = list(report.source(of, trace, COLUMNS, PLAIN))
    (at,) = (i for i, line in enumerate(lines) if "| load x" in line)
    assert re.search(r"\bx\[", lines[at - 1]), "it stands below the line that loads x"
    assert " ".join(lines[at].split()) == "| load x 8 x 32 sectors 4 (4)"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A function that explains LeakyReLU of (64, 64) after a change in its source."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def explained(old, new):
        of = small("leaky_relu_forward")[0]
        *included, file = of.files
        text = file.read_text()
        assert old in text
        package = f"planted_{next(NUMBERS)}"  # modules are known by their names
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        for path in included:
            shutil.copy(path, tmp_path / package)
        (tmp_path / package / "cuda.cu").write_text(text.replace(old, new))
        op = dataclasses.replace(of.op, package=package)
        changed = dataclasses.replace(of, op=op, sizes={"B": 64, "C": 64})
        return changed, figures.traced(changed)

    return explained


@pytest.mark.parametrize(
    ("index", "said", "sectors"),
    [("i", "sectors 4 (4)", 4), ("i % C * B + i / C", "sectors 32 (4)", 32), ("i / C * C", "sectors 1 (1)", 1)],
)
def test_a_strided_load_is_seen(planted, index, said, sectors):
    of, trace = planted("leaky_relu(x[i]", f"leaky_relu(x[{index}]")
    lines = [line for line in report.source(of, trace, COLUMNS, PLAIN) if "| load x" in line]
    assert all(said in line for line in lines)
    moved = figures.figures(of, trace, GPUS["h200"])["bytes"]["in_sectors"]
    assert moved == 64 * 64 // 32 * (sectors + 4) * 32


def test_versions_of_a_product_count_multiply_adds_and_others_elements():
    for name in subject.kernels():
        of = small(name)[0]
        product = of.op.name.startswith("dense_") and of.kernel.version is not None
        assert figures.work(of.op, of.sizes)[1] == ("multiply-add" if product else "element"), name
    assert figures.work(ops()["dense_forward"], {"M": 2, "N": 3, "K": 5}) == (30, "multiply-add")
    assert figures.work(ops()["adam_step"], {"n": 7}) == (7, "element")
    halved = dataclasses.replace(ops()["dense_forward"], flops=lambda M, N, K: M * N * K)
    assert figures.work(halved, {"M": 2, "N": 3, "K": 5}) == (6, "element")


# A GPU ------------------------------------------------------------------------------------------------------

#: (GPU, threads, registers, shared bytes) -> blocks, by cudaOccMaxActiveBlocksPerMultiprocessor of CUDA 13.0.
RESIDENT = {
    ("h200", 256, 36, 7422): (6, "registers"),
    ("h200", 128, 36, 19792): (11, "shared memory"),
    ("h200", 128, 71, 0): (7, "registers"),
    ("h200", 32, 8, 0): (32, "blocks"),
    ("h200", 32, 78, 0): (24, "registers"),
    ("a100", 32, 8, 4948): (27, "shared memory"),
    ("a100", 128, 36, 19792): (8, "shared memory"),
    ("a100", 512, 43, 0): (2, "registers"),
    ("rtx4090", 256, 36, 2474): (6, "warps"),
    ("rtx4090", 128, 99, 19792): (4, "registers"),
    ("t4", 128, 64, 0): (8, "warps"),
    ("t4", 256, 36, 19792): (3, "shared memory"),
}


@pytest.mark.parametrize(("case", "expected"), RESIDENT.items(), ids=str)
def test_as_many_blocks_fit_as_nvidia_says(case, expected):
    gpu, threads, registers, shared = case
    found = GPUS[gpu].residency(threads, registers, shared)
    assert (found.blocks, found.limit) == expected
    assert found.warps == found.blocks * -(-threads // 32)


@pytest.mark.parametrize("gpu", GPUS)
def test_a_gpus_peak_is_the_published_one(gpu):
    """TFLOP/s of float32, and of TF32 without sparsity; of the H200 this is 495, at the 1.83 GHz of gpus.py."""
    published = {"h200": (67, 495 * 1.98 / 1.83), "a100": (19.5, 156), "rtx4090": (82.6, 82.6), "t4": (8.1, 0)}
    of = GPUS[gpu]
    for lanes, peak in zip((of.lanes, of.tensor), published[gpu], strict=True):
        assert 2e-12 * lanes * of.multiprocessors * of.clock == pytest.approx(peak, rel=0.01)


def test_bounds_are_those_of_arithmetic():
    (of,) = subject.subjects(["dense_forward_tiled"], "M=64,N=64,K=64")
    gpu = GPUS["a100"]
    trace = made_up(access(500, 100, 100), access(40, 40, 10, "global", "x"), blocks=4, rounds=3)
    seconds = {name: bound.seconds for name, bound in figures.bounds(of, trace, gpu).items()}
    assert seconds == pytest.approx({
        "memory": (3 * 64 * 64 + 64) * 4 / 2.039e12,
        "L1 and shared memory": (500 + 10) / 4 / 1.41e9,
        "arithmetic": (2 * 64**3 + 64**2) / 2 / (4 * 64) / 1.41e9,
        "latency": 3 * 180 / 1.41e9,
    })  # fmt: skip
    for sectors, clocks in {400: 100, 10: 10}.items():  # one of a request, and it takes a clock
        found = made_up(access(500, 100, 100), access(sectors, 10, 10, "global", "x"), blocks=4)
        seconds = figures.bounds(of, found, gpu)["L1 and shared memory"].seconds
        assert seconds == pytest.approx((500 + clocks) / 4 / 1.41e9)
    halved = figures.bounds(of, trace, GPUS["t4"])["L1 and shared memory"].seconds
    assert halved == pytest.approx(2 * 510 / 4 / 1.59e9)


def test_tensor_cores_are_those_of_the_version_that_asks_for_them():
    trace = made_up(blocks=1000)
    (fast,), (slow,) = (subject.subjects([f"dense_forward_{v}"], None) for v in ("tensor_core", "tiled"))
    for gpu, times in {"h200": 8, "a100": 8, "rtx4090": 1, "t4": 1}.items():
        bounds = [figures.bounds(of, trace, GPUS[gpu])["arithmetic"].seconds for of in (slow, fast)]
        assert bounds[0] / bounds[1] == pytest.approx(times)


def test_every_kernel_has_registers_on_every_gpu():
    for name in subject.kernels():
        assert all(figures.resources(name, gpu).registers > 0 for gpu in GPUS.values()), name
    assert figures.resources("bce_forward", GPUS["h200"]).shared == 256 * 4


def test_a_kernel_that_was_never_compiled_is_explained_too(monkeypatch):
    monkeypatch.setattr(figures, "_ptxas", lambda: defaultdict(lambda: {"kernels": {}}))
    found = numbers("adam_step")
    assert found["residency"] is None
    lines = report.report(*small("adam_step"), found, GPUS[DEFAULT], COLUMNS, PLAIN)
    assert "is not on file: make compile" in " ".join(lines)
    assert " -" in "\n".join(report.table([found, found], GPUS[DEFAULT], COLUMNS))


# Names and sizes --------------------------------------------------------------------------------------------


def named(*words):
    return [of.name for of in subject.subjects(words, None)]


def test_names():
    versions = [name for name, (op, _) in subject.kernels().items() if op.name == "dense_forward"]
    assert named("adam_step") == ["adam_step"]
    assert named("dense_forward") == versions
    assert named("dense_forward", "tiled", "naive") == ["dense_forward_tiled", "dense_forward_naive"]
    assert named("tiled", "tiled", "naive") == ["dense_forward_tiled", "dense_forward_naive"]
    assert named("dense_backward_input", "tiled") == ["dense_backward_input_tiled"]
    assert named("dense_forward_naive", "dense_backward_input_tiled", "naive") == [
        "dense_forward_naive",
        "dense_backward_input_tiled",
        "dense_backward_input_naive",
    ]
    assert named() == []


def test_default_sizes_are_the_networks():
    (of,) = subject.subjects(["dense_forward_tiled"], None)
    assert of.sizes == {"M": 32, "N": 784, "K": 1024} == costliest(ops()["dense_forward"])
    assert of.why == "the network's most costly call of dense_forward"
    (of,) = subject.subjects(["dense_forward_tiled"], "K=7")
    assert of.sizes == {"M": 32, "N": 784, "K": 7}
    assert of.why.startswith("where not given, the network's")
    for name in uncalled():
        (of,) = subject.subjects([name], None)
        assert "no network calls it" in of.why
        assert min(of.sizes.values()) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dense_forward_tile",), ("dense_forward_tile: no such kernel", "dense_forward_tiled")),
        (("relu",), ("relu: no such kernel", "leaky_relu_forward")),
        (("qqqqqq",), ("qqqqqq: no such kernel",)),
        (("adam_step", "tiled"), ("tiled: no such kernel",)),
        (("adam_step", "--sizes", "n"), ("--sizes n", "M=32,K=784")),
        (("adam_step", "--sizes", "n=-1"), ("--sizes n=-1",)),
        (("adam_step", "--sizes", "n=0"), ("--sizes", "0 elements")),
        (("adam_step", "--sizes", "n=9999999999"), ("--sizes", "9999999999 elements")),
        (("adam_step", "--sizes", "M=1"), ("--sizes", "adam_step has no size M; it has n")),
        (("convolution_forward", "--sizes", "stride=0"), ("--sizes", "stride must be at least 1")),
        (("adam_step", "counters_advance", "--svg", "x.svg"), ("--svg", "one kernel")),
        (("adam_step", "--svg", "x.png"), ("--svg", ".svg")),
        (("adam_step", "--svg", "no/such/folder/x.svg"), ("no/such/folder",)),
        (("adam_step", "--json", "no/such/folder/x.json"), ("no/such/folder",)),
    ],
)
def test_refusals(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(call(explain.main, *arguments), *said)
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "COMPILER", "no-such-compiler")
    tracer._module.cache_clear()
    compiler.compiler_version.cache_clear()
    try:
        assert_refused(call(explain.main, "adam_step", "--sizes", "n=9"), "no-such-compiler is not installed")
    finally:
        tracer._module.cache_clear()
        compiler.compiler_version.cache_clear()


# What is printed --------------------------------------------------------------------------------------------


def test_without_a_name_all_are_listed():
    result = call(explain.main)
    assert (result.code, result.err) == (0, "")
    assert [line.partition(":")[0] for line in result.out.splitlines()] == list(ops())
    assert re.search(r"^dense_forward: .*naive, tiled, ", result.out, re.MULTILINE)


def test_numbers_as_json_on_the_output_and_in_a_file(tmp_path):
    alone = call(explain.main, "dense_forward_tiled", *SMALL, "--json", "-")
    assert (alone.code, alone.err) == (0, "")
    (of,) = json.loads(alone.out)
    assert of == json.loads(json.dumps(numbers("dense_forward_tiled")))
    assert of["wavefronts"] > of["barriers"] > 0
    file = tmp_path / "x.json"
    beside = call(explain.main, "dense_forward_tiled", *SMALL, "--json", file)
    assert json.loads(file.read_text()) == [of]
    assert "void dense_forward_tiled(" in beside.out


def test_kernels_side_by_side(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = call(explain.main, "dense_forward", *SMALL, "--gpu", "t4")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "M = 33, N = 33, K = 33: as given"
    for name in named("dense_forward"):
        version = name.removeprefix("dense_forward_")
        (head,) = (i for i, line in enumerate(lines) if version in line.split())
        column = lines[head].split().index(version)
        asked = next(line for line in lines[head:] if line.startswith("  asked for"))
        of = numbers(name)["per_unit"]["asked"]
        assert float(asked.removeprefix("  asked for").split()[column]) == pytest.approx(of, rel=0.01)
    assert " T4 " in lines[-2] + lines[-1]


def test_different_ops_side_by_side_have_their_whole_names():
    assert report._without_common_start(["adam_step", "bce_forward"]) == ["adam_step", "bce_forward"]
    assert report._without_common_start(["random_normal", "random_uniform"]) == ["normal", "uniform"]


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    assert not report.Paint().on, "where pytest keeps the output"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert report.Paint().on
    monkeypatch.setenv("NO_COLOR", "1")
    assert not report.Paint().on
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not report.Paint().on


@pytest.mark.parametrize(("units", "how"), [(8, "good"), (16, "fair"), (17, "poor")])
def test_a_colour_says_how_far_from_the_fewest(units, how):
    (lines,) = report._counts(made_up(access(units, 8, 8)), report.Paint(on=True)).values()
    assert f"\x1b[{report._CODES[how]}m" in lines[0]


def test_long_lines_are_folded_whole():
    line = "        " + " ".join(f"word{i}" for i in range(40))
    parts = report._folded(line, 60)
    assert max(map(len, parts)) <= 60
    assert " ".join(" ".join(parts).split()) == " ".join(line.split())
    assert report._folded("x" * 130, 60)[0] == "x" * 60
    assert report._folded("short", 60) == ["short"]
