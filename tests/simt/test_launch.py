"""What reaches a kernel is exactly what its C declaration says, or an error that names kernel and argument."""

from pathlib import Path

import numpy as np
import pytest

from cgan_raw.kernels import simt
from cgan_raw.kernels.geometry import ceil_div
from cgan_raw.kernels.launch import Module, kernel_parameters

SAMPLES = Path(__file__).with_name("samples.cu")
NAMES = ["out", "bytes", "scale", "f", "i", "u", "l", "ull", "many"]


@pytest.fixture(scope="module")
def module():
    return Module(SAMPLES, simt.Executor())


def good():
    return {
        "out": np.full(8, np.nan),
        "bytes": np.array([200], np.uint8),
        "scale": 0.1,
        "f": 2,
        "i": -3,
        "u": 4_000_000_000,
        "l": -5_000_000_000,
        "ull": 2**63,
        "many": np.array([0, 7]),
    }


def launch(module, **changes):
    arguments = good() | changes
    module.launch("parameters", 1, 32, [arguments[name] for name in NAMES])
    return arguments["out"]


@pytest.mark.parametrize(("real", "tenth"), [("float", float(np.float32(0.1))), ("double", 0.1)])
def test_every_type_arrives(real, tenth):
    out = launch(Module(SAMPLES, simt.Executor(), real))
    assert out.tolist() == [200, tenth, 2, -3, 4_000_000_000, -5_000_000_000, 2.0**63, 7]


def test_numpy_scalars_are_cast_too(module):
    out = launch(module, scale=np.float64(0.5), i=np.uint8(9), l=np.int64(1), f=np.array(3, np.int16))
    assert (out[1], out[2], out[3], out[5]) == (0.5, 3, 9, 1)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("out", np.zeros(8, np.float32), TypeError, "must be float64, not float32"),
        ("out", np.zeros(16)[::2], ValueError, "must be C-contiguous"),
        ("out", np.zeros((4, 2)).T, ValueError, "must be C-contiguous"),
        ("out", np.zeros(65, np.uint8)[1:].view(float), ValueError, "address is no multiple of 8"),
        ("many", np.zeros(17, np.uint8)[1:].view(np.int64), ValueError, "address is no multiple of 8"),
        ("out", [0.0] * 8, TypeError, "must be a numpy.ndarray, not builtins.list"),
        ("out", 1.0, TypeError, "must be a numpy.ndarray, not builtins.float"),
        ("many", np.zeros(2, np.int32), TypeError, "must be int64, not int32"),
        ("bytes", np.zeros(1, np.int8), TypeError, "must be uint8, not int8"),
        ("i", 1.0, TypeError, "must be a number that int32 can hold"),
        ("i", 2**31, ValueError, "does not fit int32"),
        ("i", np.int64(2**31), ValueError, "does not fit int32"),
        ("u", -1, ValueError, "does not fit uint32"),
        ("ull", 2**64, ValueError, "does not fit uint64"),
        ("f", "1", TypeError, "must be a number that float32 can hold"),
        ("f", 1j, TypeError, "must be a number that float32 can hold"),
        ("scale", np.zeros(1), TypeError, "must be a number that float32 can hold"),
        ("scale", None, TypeError, "must be a number that float32 can hold"),
    ],
)
def test_refused(module, name, value, error, message):
    with pytest.raises(error, match=rf"^parameters: argument {name}\b.*{message}"):
        launch(module, **{name: value})


def test_read_only_arrays_may_only_be_read(module):
    read_only = np.array([0, 7])
    read_only.flags.writeable = False
    launch(module, many=read_only)
    read_only = np.zeros(8)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match=r"^parameters: argument out is written by the kernel"):
        launch(module, out=read_only)


def test_wrong_count_and_unknown_kernel(module):
    with pytest.raises(TypeError, match=r"^parameters takes 9 arguments, not 1"):
        module.launch("parameters", 1, 1, [0])
    with pytest.raises(ValueError, match=r"^no kernel sums; the file has block_sum, "):
        module.launch("sums", 1, 1, [])


def test_kernels_are_found_in_the_text():
    source = """
        // extern "C" __global__ void commented_out(int n) {}
        extern "C" __global__ void nothing() {}
        extern "C" __global__ __launch_bounds__(32, 2) void one(const real* __restrict__ x, unsigned   int n) {}
        __device__ void helper(float x) {}
    """
    found = kernel_parameters(source, "double")
    assert list(found) == ["nothing", "one"]
    assert found["nothing"] == ()
    x, n = found["one"]
    assert (x.name, x.dtype, x.pointer, x.const) == ("x", np.float64, True, True)
    assert (n.name, n.dtype, n.pointer, n.const) == ("n", np.uint32, False, False)


@pytest.mark.parametrize("declaration", ["float4 *x", "short n", "float **x", "const char *name", "float x[4]"])
def test_types_that_cannot_be_passed(declaration):
    with pytest.raises(TypeError, match=r"^bad: cannot pass an argument declared as"):
        kernel_parameters(f'extern "C" __global__ void bad({declaration}) {{}}', "float")


@pytest.mark.parametrize(("a", "b", "n"), [(0, 4, 0), (1, 4, 1), (4, 4, 1), (5, 4, 2), (784, 32, 25)])
def test_ceil_div(a, b, n):
    assert ceil_div(a, b) == n
