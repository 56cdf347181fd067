"""The registry keeps its word: every implementation is there, with the arguments its op's signature names."""

import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from cases import CASES

from cgan_raw.kernels import registry
from cgan_raw.kernels.registry import FOLDERS, Op, is_fused, ops
from cgan_raw.kernels.table import References
from cgan_raw.testing import make_arguments

_KERNELS = Path(registry.__file__).parent

each_op = pytest.mark.parametrize("op", ops().values(), ids=ops())


@pytest.mark.parametrize("case", [c for c in CASES if c.kernel.backend != "cuda"], ids=str)
def test_parameters_are_the_signature(case):
    """A kernel that is launched takes the sizes after them."""
    function = case.op.implementation(case.kernel.backend, case.kernel.version)
    function = getattr(function, "py_func", function)  # what a Numba dispatcher wraps
    sizes = () if case.kernel.geometry is None else case.op.measured
    assert tuple(inspect.signature(function).parameters) == (*(a.name for a in case.op.arguments), *sizes)


@each_op
def test_editors_are_led_from_a_call_to_the_reference(op):
    line = f"from .{op.package.rpartition('.')[2]}.reference import {op.name}"
    assert vars(References).get(op.name) is op.implementation("reference"), f"kernels/table.py lacks: {line}"


def test_editors_know_no_other_op():
    assert {name for name in vars(References) if not name.startswith("__")} <= set(ops())


@each_op
def test_op_runs_everywhere_and_lists_nothing_twice(op):
    """But for the fused ops, whose work each backend can do with others."""
    assert is_fused(op) or {"cpu", "cuda", "numba_cuda"} == {kernel.backend for kernel in op.kernels}
    assert len(set(op.kernels)) == len(op.kernels)


@each_op
def test_every_kernel_of_a_module_is_listed(op):
    """A version that is written but not listed would never be tested."""
    for backend in {kernel.backend for kernel in op.kernels} - {"cuda"}:
        module = vars(importlib.import_module(f"{op.package}.{backend}"))
        functions = {name for name, value in module.items() if getattr(value, "role", "kernel") == "kernel"}
        longer = [name for name in ops() if name.startswith(op.name) and name != op.name]
        found = {n for n in functions if n.startswith(op.name) and not any(n.startswith(m) for m in longer)}
        listed = [k.version for k in op.kernels if k.backend == backend]
        assert found == {op.name if version is None else f"{op.name}_{version}" for version in listed}


@each_op
def test_signature_names_destinations_then_inputs_then_scalars(op):
    order = [(a.role == "in", a.dims is None) for a in op.arguments]
    assert order == sorted(order)
    assert not order[0][0], "the first argument is a destination"
    assert len({a.name for a in op.arguments}) == len(order)


@each_op
def test_costs_evaluate(op):
    """FLOPs and bytes are whole numbers that grow with each size, or do not depend on it."""
    sizes = dict.fromkeys(op.dims, 3)
    for cost in (op.flops, op.bytes):
        assert isinstance(cost(**sizes), int)
        assert cost(**sizes) >= 0
        for dim in op.dims:
            assert cost(**sizes | {dim: 4}) >= cost(**sizes)
    assert op.bytes(**sizes) > 0


@each_op
def test_backward_follows_from_names(op):
    """Each argument of a backward op is one of the forward op's, or the gradient of one."""
    known = {a.name: a for a in op.arguments}
    for name in op.backward:
        for argument in ops()[name].arguments:
            source = argument.name if argument.name in known else argument.name.removeprefix("d")
            assert known[source].dims == argument.dims
            assert known[source].dtype == argument.dtype


def test_every_backward_op_is_checked():
    """Fused ones are made of such."""
    backward = {name for name, op in ops().items() if "_backward" in name and not is_fused(op)}
    assert backward == {name for op in ops().values() for name in op.backward}


@each_op
def test_backward_ops_have_the_versions_of_the_forward_op(op):
    """Or one for all: so the gradient check of each forward version meets each backward version."""
    for backward in (ops()[name] for name in op.backward):
        for backend in {kernel.backend for kernel in op.kernels}:
            versions = {k.version for k in backward.kernels if k.backend == backend}
            assert versions in ({None}, {k.version for k in op.kernels if k.backend == backend})


def launched(backend, rows, columns):
    op = ops()["dense_forward"]
    there = {kernel.version for kernel in op.kernels if kernel.backend == backend}
    return op.launched(there, {"M": rows, "N": columns, "K": 784})


@pytest.mark.parametrize(("backend", "wide"), [("cuda", "vectorised"), ("numba_cuda", "register_tiled")])
def test_products_of_a_mini_batch_share_k(backend, wide):
    """Up to 32 rows: more fill a GPU with wide tiles."""
    assert [launched(backend, rows, 512) for rows in (1, 32, 33)] == ["split_k", "split_k", wide]


@pytest.mark.parametrize(("backend", "large"), [("cuda", "double_buffered"), ("numba_cuda", "register_tiled")])
def test_large_products_have_large_tiles(backend, large):
    """From 132 tiles of 128 x 128 on."""
    assert launched(backend, 12 * 128, 11 * 128) == launched(backend, 11 * 128 + 1, 10 * 128 + 1) == large
    assert launched(backend, 11 * 128, 11 * 128) == launched(backend, 12 * 128, 10 * 128) != "double_buffered"


@pytest.mark.parametrize("backend", ["cuda", "numba_cuda"])
def test_convolutions_of_few_tiles_share_k(backend):
    """Below 132 tiles of 32 x 64, with a K-tile of 8 for each of 8 warps."""
    weight, phases = ops()["convolution_backward_weight"], ops()["convolution_backward_input"]
    of_network = dict(zip(weight.dims, (4, 64, 128, 32, 14, 14, 7, 7, 2, 1), strict=True))

    def launched(op, **sizes):
        there = {kernel.version for kernel in op.kernels if kernel.backend == backend}
        return op.launched(there, of_network | sizes)

    assert [launched(weight, B=B) for B in (1, 2, 1000)] == ["implicit_gemm", "split_k", "split_k"]
    assert launched(weight, C=130) == "split_k" != launched(weight, C=131)
    assert launched(weight, N=7) == "naive"
    assert launched(phases, B=20) == "split_k" != launched(phases, B=21), "each phase has its tiles"


@pytest.mark.parametrize(
    "shapes",
    [((3, 4), (3, 5), (6, 4), (4,)), ((3, 4), (3, 5), (5, 4), (3,)), ((3, 4), (3, 5), (5, 4, 1), (4,))],
)
def test_arrays_that_do_not_fit_each_other_are_refused(shapes):
    op = ops()["dense_forward"]
    assert op.sizes([np.empty(shape) for shape in ((3, 4), (3, 5), (5, 4), (4,))]) == {"M": 3, "N": 4, "K": 5}
    with pytest.raises(ValueError, match=r"^dense_forward: (w|b) is "):
        op.sizes([np.empty(shape) for shape in shapes])


def test_every_op_folder_is_in_the_reading_order():
    """One that is forgotten there has no op in the registry, and no test."""
    folders = {path.parent.name for path in _KERNELS.glob("*/reference.py")}
    assert folders == set(FOLDERS), "FOLDERS in kernels/registry.py lists the op folders"


@pytest.mark.parametrize("folder", FOLDERS)
def test_reference_numbers_its_equations(folder):
    """(1), (2), ... without a gap in the docstring, and the code cites no other."""
    module = importlib.import_module(f"cgan_raw.kernels.{folder}.reference")
    numbers = [int(n) for n in re.findall(r"^ +\((\d+)\)  ", module.__doc__, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
    code = inspect.getsource(module).replace(module.__doc__, "")
    cited = {int(n) for n in re.findall(r"# \((\d+)\)|by \((\d+)\)", code) for n in n if n}
    assert cited <= set(numbers)


# make_arguments ---------------------------------------------------------------------------------------------


@each_op
def test_arguments_are_valid(op):
    sizes = {d: 6 + i for i, d in enumerate(op.dims)}
    arguments = make_arguments(op, sizes, np.random.default_rng(0), np.float32)
    assert list(arguments) == [a.name for a in op.arguments]
    for argument in op.arguments:
        value = arguments[argument.name]
        if argument.dims is None:
            assert np.isscalar(value)
            assert argument.dtype != "real" or value == float(np.float32(value))
            continue
        assert value.shape == argument.shape(sizes)
        assert value.dtype == (np.float32 if argument.dtype == "real" else argument.dtype)
        if value.dtype.kind == "f":
            assert np.isnan(value).all() if argument.role == "out" else np.isfinite(value).all()


def test_a_scalar_without_a_rule_is_refused():
    op = Op("", "op", "y(n) <- unheard_of", lambda n: 0, ())
    with pytest.raises(ValueError, match="unheard_of"):
        make_arguments(op, {"n": 3}, np.random.default_rng(0))


def test_given_arguments_must_fit():
    op, rng = ops()["dense_backward_bias"], np.random.default_rng(0)
    with pytest.raises(ValueError, match="takes no dz"):
        make_arguments(op, {"M": 2, "N": 3}, rng, dz=1)
    with pytest.raises(ValueError, match=r"dy .* is \(2, 3\)"):
        make_arguments(op, {"M": 2, "N": 3}, rng, dy=np.zeros((3, 2)))
