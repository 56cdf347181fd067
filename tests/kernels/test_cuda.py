"""The CUDA C++ as text and as a whole: declarations, headers, thread orders, and training on it."""

import re
from pathlib import Path

import numpy as np
import pytest
from cgan_raw.kernels import registry, simt
from cgan_raw.kernels.dispatch import LaunchedOp, compiled
from cgan_raw.kernels.launch import Module, kernel_parameters
from cgan_raw.kernels.registry import FOLDERS, ops

from cgan_raw.backends import make_backend
from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.iteration import Iteration
from cgan_raw.testing import call, make_arguments

_KERNELS = Path(registry.__file__).parent
_SOURCES = {folder: (_KERNELS / folder / "cuda.cu").read_text(encoding="utf-8") for folder in FOLDERS}
_FIELDS = ("Threads", "Memory", "Limit", "Barriers", "Numerics", "Source", "Same op")
_MOST_LINES = 20

VERSIONS = [
    pytest.param(op, kernel, id=op.function(kernel.version))
    for op in ops().values()
    for kernel in op.kernels
    if kernel.backend == "cuda"
]
each_version = pytest.mark.parametrize(("op", "kernel"), VERSIONS)


@each_version
def test_declaration_is_the_signature(op, kernel):
    """Destinations, inputs, scalars, then the sizes in order of appearance; only inputs are const."""
    source = _SOURCES[op.package.rpartition(".")[2]]
    parameters = kernel_parameters(source, "float")[op.function(kernel.version)]
    assert [p.name for p in parameters] == [*(a.name for a in op.arguments), *op.dims]
    for parameter, argument in zip(parameters, op.arguments, strict=False):
        assert parameter.pointer == (argument.dims is not None)
        assert parameter.const == (parameter.pointer and argument.role == "in")
        assert parameter.dtype == ("float32" if argument.dtype == "real" else argument.dtype)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_kernel_is_listed(folder):
    package = f"{registry.__package__}.{folder}"
    listed = {op.function(k.version) for op, k in (p.values for p in VERSIONS) if op.package == package}
    assert set(kernel_parameters(_SOURCES[folder], "float")) == listed


@each_version
def test_header_has_its_fields_in_order(op, kernel):
    header = _header(_SOURCES[op.package.rpartition(".")[2]], op.function(kernel.version))
    lines = header.splitlines()
    assert len(lines) <= _MOST_LINES
    assert re.search(r"reference\.py( \(float64\))?", header)
    found = [field for line in lines for field in _FIELDS if line.startswith(f"// {field:<8}  ")]
    assert found == [field for field in _FIELDS if field in found], "in this order, each once"
    assert set(_FIELDS) - set(found) <= {"Barriers"}
    body = _SOURCES[op.package.rpartition(".")[2]].partition(header)[2].partition("\n// ")[0]
    assert ("Barriers" in found) == bool(re.search(r"__sync|sum_over", body))


def _header(source: str, name: str) -> str:
    """The comment that begins with the kernel's name, perhaps among those of its passes."""
    for block in re.findall(r"(?:^//.*\n)+", source, re.MULTILINE):
        names = block.replace("\n//", "").removeprefix("// ").partition(":")[0]
        if name in re.split(r",\s*", names):
            return block
    raise AssertionError(f"{name} has no header")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_barrier_says_what_it_separates(folder):
    for line in re.findall(r".*__sync\w+\(\);.*", _SOURCES[folder]):
        assert re.search(r"__sync\w+\(\);  // \w", line), line


@each_version
def test_thread_order_does_not_change_a_bit(op, kernel):
    sizes = {d: 35 + 2 * i for i, d in enumerate(op.dims)}
    arguments = make_arguments(op, sizes, np.random.default_rng(1), np.float32)
    results = [
        call(op, LaunchedOp(op, compiled(simt.Executor(order=order)), kernel.version), arguments)
        for order in ("forward", "reverse", 5)
    ]
    for result in results[1:]:
        for name, array in result.items():
            assert array.tobytes() == results[0][name].tobytes(), name


@each_version
def test_any_grid_computes_everything(op, kernel):
    """A block walks tiles from its own number in steps of the grid's."""
    sizes = {d: 35 + 2 * i for i, d in enumerate(op.dims)}
    arguments = make_arguments(op, sizes, np.random.default_rng(1), np.float32)
    launched = LaunchedOp(op, compiled(simt.Executor()), kernel.version)
    full = call(op, launched, arguments)
    launch = kernel.launch(**sizes)
    module = launched.modules(op.package)

    def in_one_block(*values):
        module.launch(op.function(kernel.version), 1, launch.block, (*values, *op.sizes(values).values()))

    for name, array in call(op, in_one_block, arguments).items():
        assert array.tobytes() == full[name].tobytes(), name


def test_two_iterations_are_those_of_the_reference():
    config, data = TrainConfig(seed=7, batch_size=32), load_training()
    runs = [Iteration(make_backend(device), config, data, 2) for device in ("simt", "reference")]
    for run in runs:
        run.run()
        run.run()
    losses, expected = (run.read_losses(1, 2)[:, [0, 2]] for run in runs)
    assert not np.any(~(abs(losses / expected - 1) <= 1e-6))
    states = [run.state() for run in runs]
    for name, array in states[1].items():
        if not name.startswith("adam."):
            assert not np.any(~(abs(states[0][name] - array) <= 2e-6)), name


@pytest.mark.parametrize("tf32", [False, True], ids=["float32", "tf32"])
@pytest.mark.parametrize(("rows", "version"), [(32, "split_k"), (33, "vectorised")])
def test_the_table_launches_the_version_of_the_contract(monkeypatch, rows, version, tf32):
    launched = []
    monkeypatch.setattr(Module, "launch", lambda self, name, *rest: launched.append(name))
    x, w, y, b = (np.zeros(shape, np.float32) for shape in ((rows, 8), (8, 40), (rows, 40), (40,)))
    make_backend("simt", tf32=tf32).ops.dense_forward(y, x, w, b)
    assert launched == ["dense_forward_" + ("tensor_core" if tf32 else version)]
