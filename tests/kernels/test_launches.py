"""Every launch has as many blocks as its kernel has tiles, at the network's sizes and at awkward ones.

Blocks walk tiles in steps of the grid: with too few of them the right thing is computed slowly, with too many
some idle, and no result shows it.  Here kernels count their tiles and do nothing else.
"""

import numpy as np
import pytest
from cases import Case, awkward_sizes, each_version
from cgan_raw.kernels import launch, numba_common, simt
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.numba_source import bind
from cgan_raw.kernels.simt.interpreter import Machine, Three, words

from bench.calls import network_calls

#: The macro of common.cuh; one that notes the count and walks no tile; a kernel that tells what was noted.
WALK = "#define FOR_EACH_TILE(tile, count) for (int tile = blockIdx.x; tile < (count); tile += gridDim.x)"
COUNT = """static int tiles;
#define FOR_EACH_TILE(tile, count) for (int tile = (tiles = (count)); false;)
extern "C" __global__ void tell(int* noted) { noted[0] = tiles; tiles = 0; }
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

    def load(self, module, real):
        self.machine = Machine()
        self.machine.syncthreads = lambda: None
        named = words(self.machine, real) | {"my_tiles": self._my_tiles}
        self.kernels = bind(module, numba_common, named, lambda function, role: function)
        return self

    def launch(self, name, grid, block, arguments, shared, cooperative):
        self.machine.start(grid, block, 0)
        self.machine.threadIdx, self.tiles = Three(0, 0, 0), 0
        with np.errstate(all="ignore"):
            self.kernels[name](*arguments)

    def _my_tiles(self, count):
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


def assert_one_block_a_tile(op, kernel, modules, counted):
    launched = LaunchedOp(op, modules, kernel.version)
    for sizes in shapes(op, kernel):
        dtypes = {a.name: "float32" if a.dtype == "real" else a.dtype for a in op.arguments}
        launched(*(np.zeros(a.shape(sizes), dtypes[a.name]) if a.dims else 1 for a in op.arguments))
        assert kernel.launch(**sizes).grid == (counted(op) or 1), sizes  # a sum to one number walks no tiles


@each_version("cuda")
def test_blocks_are_tiles(cuda, op, kernel):
    assert_one_block_a_tile(op, kernel, *cuda)


@each_version("numba_cuda")
def test_blocks_are_tiles_in_python(numba_cuda, op, kernel):
    assert_one_block_a_tile(op, kernel, *numba_cuda)
