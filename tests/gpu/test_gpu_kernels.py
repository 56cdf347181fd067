"""Every kernel of both languages on the GPU: against the reference, by value, and its gradients."""

import numpy as np
import pytest
from cases import Case, awkward_sizes, backward_table, check_case, fitted
from checks import CHECKS, runner

from cgan_raw.devices.choice import make_backend
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.registry import ops
from cgan_raw.testing import call, gradcheck, make_arguments

CASES = [
    Case(op, kernel, "gpu") for op in ops().values() for kernel in op.kernels if kernel.geometry is not None
]
VALUES = [
    pytest.param(check, case, id=f"{check.__name__}-{case}")
    for check, name in CHECKS.items()
    for case in CASES
    if case.op.name == name
]

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.op.backward], ids=str)
each_real = pytest.mark.parametrize("real", [np.float32, np.float64], ids=["float32", "float64"])


@each_case
@each_real
def test_at_awkward_sizes(case, real):
    for seed, sizes in enumerate(awkward_sizes(case)):
        check_case(case, sizes, seed, real)


@each_case
def test_at_drawn_sizes(case):
    rng = np.random.default_rng(11)
    for seed in range(20):
        sizes = fitted(case.op, {d: int(rng.integers(1, 141)) for d in case.op.dims})
        check_case(case, sizes, seed, np.float32)


@pytest.mark.parametrize(("check", "case"), VALUES)
def test_by_value(check, case):
    """Known values and moments; products of small integers, bit for bit."""
    check(runner(case.op, case.function, case.real, case.device))


@each_gradient
def test_full_jacobian(case):
    rng = np.random.default_rng(12)
    for seed in range(4):
        sizes = fitted(case.op, {d: int(rng.integers(1, 9)) for d in case.op.dims})
        gradcheck(case.op, backward_table(case), sizes, np.random.default_rng(seed), case.device)


@each_gradient
def test_gradient_along_random_directions(case):
    for seed, size in enumerate((9, 33, 129)):
        sizes = fitted(case.op, {d: size + 2 * i for i, d in enumerate(case.op.dims)})
        gradcheck(case.op, backward_table(case), sizes, np.random.default_rng(seed), case.device)


@each_case
def test_same_bits_every_time(case):
    """No sum depends on the order in which blocks arrive."""
    sizes = fitted(case.op, {d: 135 + 2 * i for i, d in enumerate(case.op.dims)})
    arguments = make_arguments(case.op, sizes, np.random.default_rng(1))
    first = call(case.op, case.function, arguments, case.device)
    for _ in range(10):
        for name, array in call(case.op, case.function, arguments, case.device).items():
            assert array.tobytes() == first[name].tobytes(), name


def test_both_languages_share_arrays_without_a_copy():
    """A CUDA C++ kernel reads what a Numba CUDA kernel wrote, in one array of CuPy's."""
    from numba import cuda

    from cgan_raw.kernels import gpu, numba_gpu

    backend, op = make_backend("gpu"), ops()["leaky_relu_forward"]
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    x, y, z = backend.upload(values), backend.zeros((3, 4)), backend.zeros((3, 4))
    shared_x, shared_y = map(numba_gpu.share, (x, y))
    assert shared_y.device_ctypes_pointer.value == y.data.ptr
    stream = cuda.external_stream(backend.stream.ptr)  # one stream, which puts the two launches in order
    LaunchedOp(op, Modules(numba_gpu.Executor(stream)))(shared_y, shared_x, 0.5)
    LaunchedOp(op, Modules(gpu.Executor(backend.stream)))(z, y, 0.5)
    np.testing.assert_allclose(backend.download(z), np.where(values > 0, values, values / 4), rtol=1e-6)
