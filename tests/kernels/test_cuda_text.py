"""The CUDA C++ as text: each kernel is declared as its signature says, listed, and explained in a header."""

import re
from pathlib import Path

import pytest
from cases import VERSIONS, each_version
from cgan_raw.kernels import registry
from cgan_raw.kernels.launch import kernel_parameters
from cgan_raw.kernels.registry import FOLDERS

_KERNELS = Path(registry.__file__).parent
_SOURCES = {folder: (_KERNELS / folder / "cuda.cu").read_text(encoding="utf-8") for folder in FOLDERS}
_FIELDS = ("Threads", "Memory", "Limit", "Barriers", "Numerics", "Source", "Same op")
_MOST_LINES = 20


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
