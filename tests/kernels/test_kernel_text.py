"""The kernels as text: each is explained in a header in CUDA C++, and Numba CUDA repeats none."""

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
_FIELDS = ("Threads", "Memory", "Limit", "Barriers", "Numerics", "Source")
_OPTIONAL = ("Barriers", "Source")
_MOST_LINES, _MOST_COLUMNS = 20, 112
_CITATION = re.compile(r" reference\.py \(\d+\)(?:(?:, |-)\(\d+\))*$")
_BARRIER = re.compile(r"sync(?:threads|warp)\(|sum_over_")
_PUBLISHED = re.compile(r"\b(?:19|20)\d\d\b|Guide|ISA|documentation")

#: Backend -> its file in an op's folder.
_FILES = {"reference": "reference.py", "cuda": "cuda.cu", "numba_cuda": "numba_cuda.py"}
_LANGUAGES = ("cuda", "numba_cuda")

#: Folders whose headers are still to be rewritten.
_FORMER = ("dense",)

KERNELS = [
    pytest.param(op, kernel, id=f"{op.function(kernel.version)}-{kernel.backend}")
    for op in ops().values()
    for kernel in op.kernels
    if kernel.backend in _LANGUAGES
]
each_headed = pytest.mark.parametrize(("op", "kernel"), [p for p in KERNELS if p.values[1].backend == "cuda"])
each_folder = pytest.mark.parametrize("folder", FOLDERS)
each_file = pytest.mark.parametrize("backend", _LANGUAGES)


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
    text = source(folder_of(op), kernel.backend)
    for block in re.finditer(r"(?:^//.*\n)+", text, re.MULTILINE):
        lines = tuple(line.removeprefix("//").removeprefix(" ") for line in block[0].splitlines())
        fields = unwrapped(lines)
        if op.function(kernel.version) in re.split(r",\s*", fields["purpose"].partition(":")[0]):
            return Header(lines, fields, text[block.end() :].partition("\n// ")[0])
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


@each_headed
def test_header_has_its_fields_in_order(op, kernel):
    found = header(op, kernel)
    order = ("purpose", "formula", *(f for f in _FIELDS if f not in _OPTIONAL or f in found.fields))
    assert tuple(found.fields) == order
    assert len(found.lines) <= _MOST_LINES
    first = next(i for i, line in enumerate(found.lines) if line.startswith("Threads "))
    starts = [line for line in found.lines[first:] if not line.startswith(" " * 10)]
    if folder_of(op) in _FORMER:
        starts = [line for line in starts if not line.startswith("Same op")]
    assert [line[:10].rstrip() for line in starts] == list(order[2:]), "each once; the rest is indented"


@each_headed
def test_header_tells_the_block(op, kernel):
    """As the contract launches it; a wrong one that agrees with itself computes the right thing."""
    x, y = re.match(r"(?:one )?block \((.*?), (.*?)\)", header(op, kernel).fields["Threads"]).groups()
    names = {"THREADS": THREADS, **dense.CONSTANTS}
    block = kernel.geometry(**dict.fromkeys(op.dims, 1)).block
    assert block == (eval(x, names), eval(y, names))


@each_headed
def test_barriers_are_explained_where_there_are_any(op, kernel):
    found = header(op, kernel)
    assert ("Barriers" in found.fields) == bool(_BARRIER.search(found.body))


@each_headed
def test_formula_cites_equations_of_the_reference(op, kernel):
    citation = _CITATION.search(header(op, kernel).fields["formula"])
    assert citation, "the formula ends in reference.py (...)"
    cited = {int(n) for n in re.findall(r"\d+", citation[0])}
    equations = re.findall(r"^ +\((\d+)\)  ", source(folder_of(op), "reference"), re.MULTILINE)
    assert cited <= {int(n) for n in equations}


@each_headed
def test_source_can_be_opened(op, kernel):
    """It is something published, or left out: what is derived here is cited with the formula."""
    source = header(op, kernel).fields.get("Source", "")
    assert not source or _PUBLISHED.search(source) or folder_of(op) in _FORMER


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder not in _FORMER])
def test_numba_repeats_no_header(folder):
    """What a kernel does is said once, in cuda.cu; its docstring says what differs."""
    text = source(folder, "numba_cuda")
    assert "cuda.cu" in text.partition('"""')[2].partition('"""')[0]
    assert re.findall(rf"^# (?:{'|'.join(_FIELDS)}) .*", text, re.MULTILINE) == []


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
    cuda, numba_cuda = ([n for n in written(folder, b) if n in in_both] for b in _LANGUAGES)
    assert cuda == numba_cuda


FILES = ("common.cuh", "numba_common.py", *(f"{f}/{_FILES[b]}" for f in FOLDERS for b in _LANGUAGES))


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
