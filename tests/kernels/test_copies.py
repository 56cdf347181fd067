"""Copies that a thread starts and waits for later: a kernel waits before others read what came.

On a CPU they are done at once, and nothing would show a wait that is missing.  In the text that is compiled
here a copy leaves NaN where it is to come, and comes when its thread waits.
"""

import numpy as np
import pytest
from changed import Alone, changed

from cgan_raw.arguments import make_arguments
from cgan_raw.kernels import simt
from cgan_raw.kernels.launch import op_module
from cgan_raw.kernels.registry import ops
from cgan_raw.testing import assert_matches_reference

PRODUCTS = ("dense_forward", "dense_backward_input", "dense_backward_weight")
SIZES = (70, 36, 41)  # a K-tile more than is fetched ahead, and an odd one

_START, _WAIT = "    *to = there ? *(const T*)from : T{};", "inline void wait_for_copies() {"
_LATE = """
struct Late {
    void* to;
    const void* from;
    size_t bytes;
};
static thread_local Late late[256][64];
static thread_local int last[256];  // of a thread's copies; memory that is not written yet is -1

static void start_late(void* to, const void* from, size_t bytes) {
    int me = thread_in_block();
    late[me][++last[me]] = {to, from, bytes};
    memset(to, 0xff, bytes);
}

static void copy_late() {
    int me = thread_in_block();
    for (; last[me] >= 0; --last[me]) {
        Late copy = late[me][last[me]];
        if (copy.from)
            memcpy(copy.to, copy.from, copy.bytes);
        else
            memset(copy.to, 0, copy.bytes);
    }
}

template <class T>
__device__ inline void start_copy("""


def late(text):
    """Copies come when they are waited for."""
    text = text.replace("template <class T>\n__device__ inline void start_copy(", _LATE, 1)
    return text.replace(_START, "start_late(to, there ? from : 0, sizeof(T));").replace(
        _WAIT, f"{_WAIT} copy_late();"
    )


def check(path, name):
    op = ops()[name]
    kernel = next(k for k in op.kernels if (k.backend, k.version) == ("cuda", "double_buffered"))
    executor = Alone(simt.Executor(), op.function(kernel.version))
    module = op_module(op.package, None, executor, cu_path=path)

    def call(*arguments):
        sizes = op.sizes(arguments)
        grid, block = kernel.geometry(**sizes)
        module.launch(op.function(kernel.version), grid, block, (*arguments, *sizes.values()))

    arguments = make_arguments(op, dict(zip(op.dims, SIZES, strict=True)), np.random.default_rng(0))
    assert_matches_reference(op, call, arguments)


@pytest.mark.parametrize("name", PRODUCTS)
def test_late_copies_come_in_time(tmp_path, name):
    check(changed("dense", late, tmp_path), name)


_WAIT_LINE, _BARRIER_LINE = "        wait_for_copies();\n", "        __syncthreads();  // this K-tile is there"


@pytest.mark.parametrize("behind", [False, True], ids=["missing", "behind the barrier"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_wait_that_comes_too_late_is_seen(tmp_path, name, behind):
    lines = f"{_BARRIER_LINE}\n{_WAIT_LINE * behind} //"
    path = changed("dense", lambda text: late(text).replace(_WAIT_LINE + _BARRIER_LINE, lines), tmp_path)
    with pytest.raises(AssertionError):
        check(path, name)
