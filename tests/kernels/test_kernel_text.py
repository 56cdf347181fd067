"""The kernels as text: each is explained in a header, and CUDA C++ and Numba CUDA explain it alike."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cases import each_version

from cgan_raw.kernels import dense, registry
from cgan_raw.kernels.geometry import THREADS
from cgan_raw.kernels.launch import kernel_parameters
from cgan_raw.kernels.registry import FOLDERS, ops

_KERNELS = Path(registry.__file__).parent
_FIELDS = ("Threads", "Memory", "Limit", "Barriers", "Numerics", "Source", "Same op")
_MOST_LINES, _MOST_COLUMNS = 20, 112
_CITATION = re.compile(r" reference\.py \(\d+\)(?:(?:, |-)\(\d+\))*$")
_BARRIER = re.compile(r"sync(?:threads|warp)\(|sum_over_")

#: Backend -> its file in an op's folder, in the order in which a header names them.
_FILES = {"reference": "reference.py", "cpu": "cpu.py", "cuda": "cuda.cu", "numba_cuda": "numba_cuda.py"}
_MARKS = {"cuda": "//", "numba_cuda": "#"}

KERNELS = [
    pytest.param(op, kernel, id=f"{op.function(kernel.version)}-{kernel.backend}")
    for op in ops().values()
    for kernel in op.kernels
    if kernel.backend in _MARKS
]
each_launched = pytest.mark.parametrize(("op", "kernel"), KERNELS)
each_folder = pytest.mark.parametrize("folder", FOLDERS)
each_file = pytest.mark.parametrize("backend", _MARKS)


@dataclass(frozen=True)
class Header:
    """The comment above a kernel: its lines, what they say when unwrapped, and the code up to the next comment.

    ``fields`` has the purpose and the formula too, under these words.
    """

    lines: tuple[str, ...]
    fields: dict[str, str]
    body: str


def folder_of(op):
    return op.package.rpartition(".")[2]


@cache
def source(folder, backend):
    return (_KERNELS / folder / _FILES[backend]).read_text(encoding="utf-8")


def header(op, kernel):
    """The comment that begins with the kernel's name, perhaps among those of its passes."""
    mark, text = _MARKS[kernel.backend], source(folder_of(op), kernel.backend)
    for block in re.finditer(rf"(?:^{mark}.*\n)+", text, re.MULTILINE):
        lines = tuple(line.removeprefix(mark).removeprefix(" ") for line in block[0].splitlines())
        fields = unwrapped(lines)
        if op.function(kernel.version) in re.split(r",\s*", fields["purpose"].partition(":")[0]):
            return Header(lines, fields, text[block.end() :].partition(f"\n{mark} ")[0])
    raise AssertionError(f"{op.function(kernel.version)} has no header")


def unwrapped(lines):
    """Purpose, formula and fields, each as one line with single spaces."""
    found, key = {"purpose": []}, "purpose"
    for line in lines:
        field = next((f for f in _FIELDS if line.startswith(f"{f:<8}  ")), None)
        key = field or ("formula" if key == "purpose" and not line else key)
        found.setdefault(key, []).append(line.removeprefix(field or ""))
    return {key: " ".join(" ".join(words).split()) for key, words in found.items()}


# Headers ----------------------------------------------------------------------------------------------------


@each_launched
def test_header_has_its_fields_in_order(op, kernel):
    found = header(op, kernel)
    order = ("purpose", "formula", *(f for f in _FIELDS if f != "Barriers" or "Barriers" in found.fields))
    assert tuple(found.fields) == order
    assert len(found.lines) <= _MOST_LINES
    first = next(i for i, line in enumerate(found.lines) if line.startswith("Threads "))
    starts = [line for line in found.lines[first:] if not line.startswith(" " * 10)]
    assert [line[:10].rstrip() for line in starts] == list(order[2:]), "each once; the rest is indented"


@each_launched
def test_header_tells_the_block(op, kernel):
    """As the contract launches it; a wrong one that agrees with itself computes the right thing."""
    x, y = re.match(r"(?:one )?block \((.*?), (.*?)\)", header(op, kernel).fields["Threads"]).groups()
    names = {"THREADS": THREADS, **dense.CONSTANTS}
    block = kernel.geometry(**dict.fromkeys(op.dims, 1)).block
    assert block == (eval(x, names), eval(y, names))


@each_launched
def test_barriers_are_explained_where_there_are_any(op, kernel):
    found = header(op, kernel)
    assert ("Barriers" in found.fields) == bool(_BARRIER.search(found.body))


@each_launched
def test_formula_cites_equations_of_the_reference(op, kernel):
    citation = _CITATION.search(header(op, kernel).fields["formula"])
    assert citation, "the formula ends in reference.py (...)"
    cited = {int(n) for n in re.findall(r"\d+", citation[0])}
    equations = re.findall(r"^ +\((\d+)\)  ", source(folder_of(op), "reference"), re.MULTILINE)
    assert cited <= {int(n) for n in equations}


@each_launched
def test_same_op_names_every_other_implementation(op, kernel):
    """The CPU's has no versions; the reference is of float64 where the op has reals at all."""
    elsewhere = {"reference"} | {
        k.backend for k in op.kernels if k.version in (None, kernel.version) and k.backend != kernel.backend
    }
    of_reals = " (float64)" * any(a.dtype == "real" for a in op.arguments)
    files = [name + of_reals * (b == "reference") for b, name in _FILES.items() if b in elsewhere]
    assert header(op, kernel).fields["Same op"] == " ".join(files)


@each_launched
def test_languages_explain_a_kernel_alike(op, kernel):
    """Purpose, formula, threads, memory and numbers are those of the kernel, not of the language."""
    for other in (k for k in op.kernels if k.version == kernel.version and k.backend in _MARKS):
        same_op = {"Same op": header(op, kernel).fields["Same op"]}
        assert header(op, other).fields | same_op == header(op, kernel).fields


# Whole files ------------------------------------------------------------------------------------------------


@each_version("cuda")
def test_declaration_is_the_signature(op, kernel):
    """Destinations, inputs, scalars, then the sizes in order of appearance; only inputs are const."""
    parameters = kernel_parameters(source(folder_of(op), "cuda"), "float")[op.function(kernel.version)]
    assert [p.name for p in parameters] == [*(a.name for a in op.arguments), *op.dims]
    for parameter, argument in zip(parameters, op.arguments, strict=False):
        assert parameter.pointer == (argument.dims is not None)
        assert parameter.const == (parameter.pointer and argument.role == "in")
        assert parameter.dtype == ("float32" if argument.dtype == "real" else argument.dtype)


def written(folder, backend):
    """The kernels of a file, in its order."""
    if backend == "cuda":
        return list(kernel_parameters(source(folder, backend), "float"))
    return re.findall(r"^@kernel\ndef (\w+)\(", source(folder, backend), re.MULTILINE)


def listed(folder, backend):
    kernels = (p.values for p in KERNELS)
    return {op.function(k.version) for op, k in kernels if k.backend == backend and folder_of(op) == folder}


@each_file
@each_folder
def test_every_kernel_is_listed(folder, backend):
    assert set(written(folder, backend)) == listed(folder, backend)


@each_folder
def test_languages_have_the_same_order(folder):
    in_both = listed(folder, "cuda") & listed(folder, "numba_cuda")
    cuda, numba_cuda = ([n for n in written(folder, b) if n in in_both] for b in _MARKS)
    assert cuda == numba_cuda


FILES = ("common.cuh", "numba_common.py", *(f"{f}/{_FILES[b]}" for f in FOLDERS for b in _MARKS))


@pytest.mark.parametrize("path", FILES)
def test_every_barrier_says_what_it_separates(path):
    text = (_KERNELS / path).read_text(encoding="utf-8")
    for line in re.findall(r".*sync(?:threads|warp)\(.*", text):
        assert re.search(r"\(\)(?:;  //|  #) \w", line), line


@each_file
@each_folder
def test_lines_are_not_too_long(folder, backend):
    """clang-format breaks no comment."""
    assert [line for line in source(folder, backend).splitlines() if len(line) > _MOST_COLUMNS] == []


@pytest.mark.parametrize("path", FILES)
def test_what_a_warp_does_together_is_volatile(path):
    """A compiler may move or leave out other inline PTX, and then not all lanes would take part."""
    text = (_KERNELS / path).read_text(encoding="utf-8")
    for words in re.findall(r"asm\s*(\w*)\s*\(\s*\"[^\"]*\.sync\b", text):
        assert words == "volatile"
