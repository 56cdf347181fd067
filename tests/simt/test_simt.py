"""On the CPU CUDA's words mean what they mean on a GPU, and what CUDA forbids is an error."""

from pathlib import Path

import numpy as np
import pytest

from cgan_raw.kernels import simt
from cgan_raw.kernels.geometry import ceil_div
from cgan_raw.kernels.launch import Module, source_files
from cgan_raw.kernels.simt import compiler

HERE = Path(__file__).parent
ORDERS = ["forward", "reverse", 1, 2]


@pytest.fixture(params=ORDERS, ids=str)
def samples(request):
    return Module(HERE / "samples.cu", simt.Executor(request.param))


@pytest.fixture(params=ORDERS, ids=str)
def faults(request):
    return Module(HERE / "faults.cu", simt.Executor(request.param))


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def test_positions(samples):
    grid, block = (3, 2, 2), (4, 3, 2)
    seen = np.full((12, 24, 2), -1, np.int32)
    samples.launch("positions", grid, block, [seen])
    where = [
        [(z * 100 + y) * 100 + x for z in range(s[2]) for y in range(s[1]) for x in range(s[0])]
        for s in (grid, block)
    ]
    np.testing.assert_array_equal(seen[:, :, 0], np.repeat(where[0], 24).reshape(12, 24))
    np.testing.assert_array_equal(seen[:, :, 1], np.tile(where[1], (12, 1)))


@pytest.mark.parametrize(("kernel", "shared"), [("block_sum", 0), ("block_sum_dynamic", 256 * 4)])
def test_block_sum(samples, kernel, shared):
    x = np.arange(1000, dtype=np.float32)
    sums = np.full(4, np.nan, np.float32)
    samples.launch(kernel, 4, 256, [sums, x, x.size], shared)
    np.testing.assert_array_equal(sums, np.pad(x, (0, 24)).reshape(4, 256).sum(axis=1))


def test_orders_give_the_same_bits():
    x, results = normal(1000), set()
    for order in ORDERS:
        sums = np.full(4, np.nan, np.float32)
        Module(HERE / "samples.cu", simt.Executor(order)).launch("block_sum", 4, 256, [sums, x, x.size])
        results.add(sums.tobytes())
    assert len(results) == 1


def test_orders_differ():
    """Threads race for a word without a barrier: who comes last wins, which tells the orders apart."""
    winners = []
    for order in ORDERS:
        seen = np.full(256 * 2, -1, np.int32)
        Module(HERE / "faults.cu", simt.Executor(order)).launch("last_one_wins", 1, 256, [seen])
        winners.append(seen[0])
    assert winners[:2] == [255, 0]
    assert len(set(winners)) == 4


@pytest.mark.parametrize(("real", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_matmul(real, dtype):
    M, N, K = 32, 512, 784
    x, w, y = normal(M, K, dtype=dtype), normal(K, N, dtype=dtype), np.full((M, N), np.nan, dtype)
    module = Module(HERE / "matmul.cu", simt.Executor(), real)
    module.launch("matmul_tiled", (ceil_div(N, 32), ceil_div(M, 32)), (32, 32), [y, x, w, M, N, K])
    bound = 2 * K * np.finfo(dtype).eps / 2 * (abs(x) @ abs(w))
    assert (abs(y - x.astype(np.float64) @ w.astype(np.float64)) <= bound).all()


def test_warp_sum(samples):
    x = np.arange(256, dtype=np.float32)
    sums = np.full(8, np.nan, np.float32)
    samples.launch("warp_sum", 2, 128, [sums, x])
    np.testing.assert_array_equal(sums, x.reshape(8, 32).sum(axis=1))


@pytest.mark.parametrize("width", [32, 8])
@pytest.mark.parametrize("step", [1, 3, 5])
def test_shuffles(samples, width, step):
    lanes = np.arange(64)
    inside, base = lanes % width, lanes - lanes % width
    sources = [
        base + step % width,
        np.where(inside >= step, lanes - step, lanes),
        np.where(inside + step < width, lanes + step, lanes),
        lanes ^ step,
        lanes // 16 * 16 + 3,
    ]
    x = np.random.default_rng(0).integers(0, 1000, 64).astype(np.int32)
    out = np.full((5, 64), -1, np.int32)
    samples.launch("shuffles", 1, 64, [out, x, width, step, 64])
    np.testing.assert_array_equal(out, x[np.array(sources)])


@pytest.mark.parametrize("n", [64, 40])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_votes(samples, n, share):
    yes = np.random.default_rng(0).random(n) < share
    out = np.full((7, n), 77, np.uint32)
    samples.launch("votes", 1, n, [out, yes.astype(np.int32), n])
    for warp in (slice(0, 32), slice(32, n)):
        ballot = sum(1 << i for i, vote in enumerate(yes[warp]) if vote)
        expected = [ballot, yes[warp].any(), yes[warp].all(), yes[warp].sum(), yes.sum(), yes.any(), yes.all()]
        np.testing.assert_array_equal(out[:, warp], np.tile(np.array(expected)[:, None], out[:, warp].shape[1]))


def test_atomics(samples):
    x = np.random.default_rng(0).integers(1, 1000, 16 * 64).astype(np.int32)
    total, count, by_cas = np.zeros(1, np.int32), np.zeros(1, np.float32), np.zeros(1, np.int32)
    most, least = np.zeros(1, np.uint32), np.full(1, 9999, np.int32)
    samples.launch("atomics", 16, 64, [total, count, most, least, by_cas, x])
    assert (total[0], count[0], by_cas[0]) == (x.sum(), x.size, x.sum())
    assert (most[0], least[0]) == (x.max(), x.min())


def test_grid_barrier(samples):
    blocks, rounds = 24, 5
    values = np.arange(blocks, dtype=np.int64)
    expected = values.copy()
    for _ in range(rounds):
        expected += np.roll(expected, 1)
    samples.launch("grid_rounds", blocks, 8, [values, rounds], cooperative=True)
    np.testing.assert_array_equal(values, expected)


def test_shared_memory_is_nan_for_every_block(samples):
    found_static, found_dynamic = np.zeros((2, 64, 32), np.float32)
    samples.launch("unwritten", 64, 32, [found_static, found_dynamic], shared=32 * 4)
    assert np.isnan(found_static).all()
    assert np.isnan(found_dynamic).all()


@pytest.mark.parametrize(
    ("kernel", "grid", "arguments", "message"),
    [
        (
            "leaves_early",
            1,
            [20],
            r"thread \(0, 0, 0\) waits in __syncthreads at .*faults.cu:5, while thread \(20, 0, 0\) has left",
        ),
        (
            "parts_ways",
            1,
            [8],
            r"faults.cu:10, while thread \(8, 0, 0\) waits in __syncthreads at .*faults.cu:12",
        ),
        (
            "misses_shuffle",
            1,
            None,
            r"waits in __shfl_sync at .*faults.cu:17, while thread \(7, 0, 0\) waits in __syncthreads",
        ),
        (
            "shuffles_outside_mask",
            1,
            None,
            r"__shfl_sync at .*faults.cu:22 called with a mask that does not name",
        ),
        ("masks_differ", 1, None, r"waits in __shfl_sync at .*faults.cu:43, while thread"),
        ("misses_grid_barrier", 4, [], r"waits in grid_sync at .*faults.cu:26, while another block has left"),
        (
            "asserts",
            1,
            [50],
            r"thread \(\d+, 0, 0\): assert\(n > int\(threadIdx.x\)\) at .*faults.cu:30 failed",
        ),
        ("traps", 2, [], r"block \(1, 0, 0\): thread \(\d+, 0, 0\): __trap at .*faults.cu:35 called"),
    ],
)
def test_faults(faults, kernel, grid, arguments, message):
    arguments = [np.zeros(64, np.int32)] if arguments is None else arguments
    with pytest.raises(simt.KernelError, match=f"^{kernel}: .*{message}"):
        faults.launch(kernel, grid, 64, arguments, cooperative=kernel == "misses_grid_barrier")
    faults.launch("asserts", 3, 64, [64])  # the next launch does not suffer


def test_faultless_where_nobody_parts(faults):
    faults.launch("leaves_early", 3, 64, [64])
    faults.launch("parts_ways", 3, 64, [64])
    faults.launch("asserts", 3, 64, [64])


def test_grid_barrier_needs_a_cooperative_launch(faults):
    with pytest.raises(simt.KernelError, match=r"grid_sync at .* not cooperative"):
        faults.launch("misses_grid_barrier", 4, 32, [])


@pytest.mark.parametrize(
    ("grid", "block"),
    [
        (0, 32),
        (1, 0),
        (1, 1025),
        ((1, 1), (32, 33)),
        ((1, 1, 1, 1), 1),
        ((), 1),
        (1, -1),
        (2**31, 1),
        ((1, 65536), 1),
        (1, (1, 1, 65)),
    ],
)
def test_geometry_that_no_gpu_takes(faults, grid, block):
    with pytest.raises(ValueError, match="traps: "):
        faults.launch("traps", grid, block, [])


def test_compile_error_names_file_and_line():
    with pytest.raises(simt.BuildError, match=r"does_not_compile\.cu:4:\d+: error: .*undeclared"):
        Module(HERE / "does_not_compile.cu", simt.Executor())


@pytest.mark.parametrize(("own", "included", "place"), [("", ";;)", "part.cuh:2"), (";;)", "", "whole.cu:4")])
def test_compile_error_behind_an_include_names_file_and_line(tmp_path, own, included, place):
    part, whole = tmp_path / "part.cuh", tmp_path / "whole.cu"
    part.write_text(f"// its first line\n{included}\n")
    whole.write_text(f'// its first line\n#include "part.cuh"  // its second\n\n{own}\n')
    assert source_files(whole) == (whole, part)
    with pytest.raises(simt.BuildError, match=rf"{place}:\d+: error"):
        Module(whole, simt.Executor())


def test_compiled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Module(HERE / "faults.cu", simt.Executor())
    compiled = {path: path.stat().st_ino for path in tmp_path.rglob("*.*")}
    assert sorted(path.suffix for path in compiled) == [".o", ".so"]
    monkeypatch.setattr(compiler, "COMPILER", "g++-is-not-called")
    Module(HERE / "faults.cu", simt.Executor("reverse"))
    assert compiled == {path: path.stat().st_ino for path in tmp_path.rglob("*.*")}


def test_damaged_library_is_compiled_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = 'extern "C" __global__ void nothing() {}'
    library = compiler.build(text, ["nothing"], "float", "")
    whole = library.read_bytes()
    for length in (0, 5_000):
        library.write_bytes(whole[:length])
        assert compiler.build(text, ["nothing"], "float", "") == library
        assert library.read_bytes() == whole


def test_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "COMPILER", "no-such-compiler")
    with pytest.raises(simt.BuildError, match=r"^no-such-compiler is not installed") as error:
        Module(HERE / "faults.cu", simt.Executor())
    assert "\n" not in str(error.value)


def test_sanitizer_must_be_preloaded():
    with pytest.raises(simt.BuildError, match=r"python -m cgan_raw.kernels.simt.sanitize thread"):
        Module(HERE / "faults.cu", simt.Executor(sanitize="thread"))


@pytest.mark.parametrize("arguments", [{"order": "sideways"}, {"sanitize": "memory"}])
def test_executor_refuses(arguments):
    with pytest.raises(ValueError, match=r"is one of|is forward, reverse or a seed"):
        simt.Executor(**arguments)
