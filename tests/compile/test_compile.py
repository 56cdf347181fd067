"""Every kernel compiles for every architecture and keeps to its registers, without a GPU.

kernels/ptxas.json holds what each kernel needs; ``make compile ARGS=--update`` renews it.  Its figures are
those of the compilers that pyproject.toml pins; where others are installed, or none, these tests are skipped.
Local memory is not in the table: a kernel that spills fails, whatever the table says.
"""

import json
from pathlib import Path

import numba_ptx
import nvrtc
import pytest
from nvrtc import CompileError, Compiler
from targets import CUDA13, TARGETS, Resources, Target, installed, need, pinned, read_resources

from cgan_raw.kernels import registry
from cgan_raw.kernels.launch import Module
from cgan_raw.kernels.registry import ops

FILE = Path(registry.__file__).with_name("ptxas.json")


def read_table():
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=TARGETS, ids=str)
def target(request):
    need(request.param.wheels)
    return request.param


@pytest.fixture(scope="module")
def ptx(target):
    """Of the Numba CUDA kernels; NVRTC keeps it to itself."""
    return numba_ptx.compile_kernels(target) if target.language == "numba_cuda" else None


@pytest.fixture(scope="module")
def resources(target, ptx):
    if ptx is None:
        return nvrtc.compile_kernels(target)
    return {name: numba_ptx.resources(target, text) for name, text in ptx.items()}


def test_every_kernel_is_there(target, resources):
    kernels = ((op, k) for op in ops().values() for k in op.kernels)
    assert set(resources) == {op.function(k.version) for op, k in kernels if k.backend == target.language}


def in_local_memory(resources):
    return {name: r for name, r in resources.items() if r.stack or r.spilled}


def test_nothing_is_in_local_memory(resources):
    assert in_local_memory(resources) == {}


def test_two_blocks_of_the_large_tiles_fit(target, resources):
    """On a multiprocessor, each with 256 threads: while one waits the other multiplies."""
    large = {n: r.registers for n, r in resources.items() if n.endswith(("warp_tiled", "double_buffered"))}
    assert (len(large) == 6) == (target.language == "cuda")
    assert target.real == "double" or all(2 * 256 * registers <= 65536 for registers in large.values()), large


def test_resources_are_those_of_the_table(target, resources, pytestconfig):
    found = {name: str(resources[name]) for name in sorted(resources)}
    if pytestconfig.getoption("--update", False):
        renew(target, found)
    assert found == read_table()[str(target)]["kernels"], "if that is meant: make compile ARGS=--update"


def in_double(ptx):
    return {name for name, text in ptx.items() if ".f64" in text}


@pytest.mark.parametrize("target", [t for t in TARGETS if t.language == "numba_cuda"], ids=str, indirect=True)
def test_float_stays_float(ptx):
    """Numba takes 0.5 for a float64, and a float32 divided by an int32 too.  Adam's rate is meant to be one."""
    assert in_double(ptx) == {"adam_step"}


def renew(target, kernels):
    """Write one target's entry; entries of targets that are no more go."""
    table = read_table() | {str(target): {"compiler": installed(target.wheels), "kernels": kernels}}
    kept = {str(t): table[str(t)] for t in TARGETS if str(t) in table}
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def test_table_is_of_these_targets_and_of_the_pinned_compilers():
    """Its figures are those of one version; and a target that it lacks would be compared with nothing."""
    compilers = {name: entry["compiler"] for name, entry in read_table().items()}
    assert compilers == {str(target): pinned(target.wheels) for target in TARGETS}


# ---- the check can fail --------------------------------------------------------------------------------------

SOME = Target("cuda", (CUDA13,), "sm_80", "float")


def load(folder, text, target=SOME):
    need(target.wheels)
    file = folder / "planted.cu"
    file.write_text(text)
    compiler = Compiler(target)
    Module(file, compiler)
    return compiler.resources


def kernel(body):
    return f'extern "C" __global__ void planted(real* y, const real* x, int n) {{\n{body}\n}}\n'


@pytest.mark.parametrize("target", [t for t in TARGETS if t.language == "cuda" and t.real == "float"], ids=str)
def test_syntax_error_names_the_file_and_the_line(tmp_path, target):
    with pytest.raises(CompileError) as error:
        load(tmp_path, kernel("y[n] = x[n]\n;;)"), target)
    assert f"{tmp_path / 'planted.cu'}(4): error" in str(error.value)


def test_unknown_architecture_is_an_error(tmp_path):
    with pytest.raises(CompileError, match="gpu-architecture"):
        load(tmp_path, kernel(""), SOME._replace(architecture="sm_61"))


def test_local_array_is_found(tmp_path):
    body = "real a[500];\nfor (int i = 0; i < n; ++i) a[7 * i % 500] = x[i];\ny[n] = a[n];"
    found = load(tmp_path, kernel(body))
    assert found["planted"].stack == 500 * 4
    assert in_local_memory(found) == found


def test_spill_is_found(tmp_path):
    """128 values are live at once, where 1,024 threads leave 64 registers to each."""
    body = """real a[128], sum = 0;
for (int i = 0; i < 128; ++i) a[i] = x[i * n];
__syncthreads();
for (int i = 0; i < 128; ++i) sum = sum * a[i] + a[127 - i];
y[n] = sum;"""
    found = load(tmp_path, kernel(body).replace("__global__", "__global__ __launch_bounds__(1024)"))
    assert found["planted"].spilled > 0
    assert in_local_memory(found) == found


def test_shared_memory_and_registers_are_read(tmp_path):
    body = "__shared__ real s[96]; s[threadIdx.x] = x[n]; __syncthreads(); y[n] = s[n];"
    found = load(tmp_path, kernel(body))["planted"]
    assert found.shared == 96 * 4
    assert 4 <= found.registers <= 32
    assert str(found) == f"{found.registers} registers, 384 bytes shared"


def test_frame_of_a_function_that_is_not_inlined_counts():
    log = """ptxas info    : Compiling entry function 'k' for 'sm_80'
ptxas info    : Function properties for k
    8 bytes stack frame, 4 bytes spill stores, 0 bytes spill loads
ptxas info    : Function properties for helper
    16 bytes stack frame, 0 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 24 registers, used 0 barriers, 368 bytes cmem[0]
"""
    assert read_resources(log) == {"k": Resources(registers=24, shared=0, stack=24, spilled=16)}
