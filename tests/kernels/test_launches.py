"""Every launch has as many blocks as its kernel has tiles, at the network's sizes and at awkward ones, and only
writes to what can be written.

Blocks walk tiles in steps of the grid: with too few of them the right thing is computed slowly, with too many
some idle, and no result shows it.  Here kernels count their tiles and do nothing else.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from cases import Case, awkward_sizes, each_version, texts

from cgan_raw.calls import network_calls
from cgan_raw.kernels import launch, numba_common, simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.geometry import line
from cgan_raw.kernels.numba_source import bind
from cgan_raw.kernels.simt.interpreter import Machine, Three, words

#: The first kernel that a reader meets walks elements, not yet tiles.
FIRST = "leaky_relu_forward"

#: The macro of common.cuh; one that notes the count and walks no tile; a kernel that tells what was noted.
WALK = "#define FOR_EACH_TILE(tile, count) for (int tile = blockIdx.x; tile < (count); tile += gridDim.x)"
COUNT = """static int counted;
#define FOR_EACH_TILE(tile, count) for (int tile = (counted = (count)); false;)
extern "C" __global__ void tell(int* noted) { noted[0] = counted; counted = 0; }
"""


@pytest.fixture(scope="module")
def cuda(tmp_path_factory):
    """Modules of CUDA C++ that only count, and what the last launch of an op's kernel counted."""
    source = launch.COMMON.read_text(encoding="utf-8")
    assert WALK in source
    common = tmp_path_factory.mktemp("counting") / "common.cuh"
    common.write_text(source.replace(WALK, COUNT), encoding="utf-8")
    modules, noted = Modules(simt.Executor()), np.empty(1, np.int32)

    def counted(op):
        modules(op.package).launch("tell", 1, 1, [noted])
        return noted[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "COMMON", common)
        yield modules, counted


class CountingNumba:
    """An executor whose kernels only count, by their first thread."""

    backend, array_type = "numba_cuda", np.ndarray

    def __init__(self):
        self.machine = Machine()
        self.machine.syncthreads = lambda: None

    def load(self, module, real):
        named = words(self.machine, real) | {"my_tiles": self.my_tiles}
        kernels = bind(module, numba_common, named, lambda function, role: function)
        return SimpleNamespace(launch=partial(self.launch, kernels))

    def launch(self, kernels, name, grid, block, arguments, shared, cooperative):
        self.machine.start(grid, block, 0)
        self.machine.threadIdx, self.tiles = Three(0, 0, 0), 0
        with np.errstate(all="ignore"):
            kernels[name](*arguments)

    def my_tiles(self, count):
        self.tiles = count
        return ()


@pytest.fixture(scope="module")
def numba_cuda():
    executor = CountingNumba()
    return Modules(executor), lambda op: executor.tiles


def shapes(op, kernel):
    """Sizes of the network's calls, and awkward ones."""
    network = [dict(call.sizes) for call in network_calls() if call.op == op.name]
    return network + awkward_sizes(Case(op, kernel))


def zeros(op, sizes):
    dtypes = {a.name: "float32" if a.dtype == "real" else a.dtype for a in op.arguments}
    return {
        a.name: np.zeros(a.shape(sizes), dtypes[a.name]) if a.dims else sizes.get(a.name, 1)
        for a in op.arguments
    }


def assert_one_block_a_tile(op, kernel, modules, counted):
    launched = LaunchedOp(op, modules, kernel.version)
    for sizes in shapes(op, kernel):
        launched(*zeros(op, sizes).values())
        if op.name == FIRST:
            assert kernel.geometry(**sizes) == line(sizes["B"] * sizes["C"])
        else:
            assert kernel.geometry(**sizes).grid == (counted(op) or 1), sizes  # a sum to one walks no tiles


@pytest.mark.parametrize(("op", "kernel"), texts())
def test_blocks_are_tiles(cuda, op, kernel):
    assert_one_block_a_tile(op, kernel, *cuda)


@each_version("numba_cuda")
def test_blocks_are_tiles_in_python(numba_cuda, op, kernel):
    assert_one_block_a_tile(op, kernel, *numba_cuda)


def assert_only_inputs_may_be_read_only(op, kernel, modules):
    launched, arguments = LaunchedOp(op, modules, kernel.version), zeros(op, dict.fromkeys(op.dims, 3))
    for argument in op.arguments:
        if argument.dims:
            array = arguments[argument.name]
            array.flags.writeable = False
            if argument.role == "in":
                launched(*arguments.values())
            else:
                with pytest.raises(ValueError, match=f"argument {argument.name} is written by the kernel"):
                    launched(*arguments.values())
                array.flags.writeable = True


@each_version("cuda")
def test_read_only_arrays(cuda, op, kernel):
    assert_only_inputs_may_be_read_only(op, kernel, cuda[0])


@each_version("numba_cuda")
def test_read_only_arrays_in_python(numba_cuda, op, kernel):
    assert_only_inputs_may_be_read_only(op, kernel, numba_cuda[0])
