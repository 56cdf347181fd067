"""The kernels as text: each is explained in a header in CUDA C++, and Numba CUDA repeats none."""

import re

import pytest
from cases import each_version
from headers import FIELDS, FILES, FOLDER, folder_of, header, source

from cgan_raw.kernels import dense
from cgan_raw.kernels.geometry import THREADS
from cgan_raw.kernels.launch import kernel_parameters
from cgan_raw.kernels.registry import FOLDERS, ops

_OPTIONAL = ("Barriers", "Source")
_MOST_LINES, _MOST_COLUMNS = 20, 112
_CITATION = re.compile(r" reference\.py \(\d+\)(?:(?:, |-)\(\d+\))*$")
_BARRIER = re.compile(
    r"sync(?:threads|warp)\(|(?:sum_over|\bcolumn)_\w+\(|\b(?:forward|backward|batchnorm)_tile\b"
)
_PUBLISHED = re.compile(r"\b(?:19|20)\d\d\b|Guide|ISA|documentation")
_LANGUAGES = ("cuda", "numba_cuda")

KERNELS = [
    pytest.param(op, kernel, id=f"{op.function(kernel.version)}-{kernel.backend}")
    for op in ops().values()
    for kernel in op.kernels
    if kernel.backend in _LANGUAGES
]
each_headed = pytest.mark.parametrize(("op", "kernel"), [p for p in KERNELS if p.values[1].backend == "cuda"])

#: Where there is a file: a language that lacks all ops of a folder has none.
FILES_THERE = [(f, b) for f in FOLDERS for b in _LANGUAGES if (FOLDER / f / FILES[b]).exists()]
each_file = pytest.mark.parametrize(("folder", "backend"), FILES_THERE)
_IN_BOTH = [f for f in FOLDERS if {(f, b) for b in _LANGUAGES} <= set(FILES_THERE)]


# Headers ----------------------------------------------------------------------------------------------------


@each_headed
def test_header_has_its_fields_in_order(op, kernel):
    found = header(op, kernel)
    order = ("purpose", "formula", *(f for f in FIELDS if f not in _OPTIONAL or f in found.fields))
    assert tuple(found.fields) == order
    assert len(found.lines) <= _MOST_LINES
    first = next(i for i, line in enumerate(found.lines) if line.startswith("Threads "))
    starts = [line for line in found.lines[first:] if not line.startswith(" " * 10)]
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
    assert not source or _PUBLISHED.search(source)


@pytest.mark.parametrize("folder", _IN_BOTH)
def test_numba_repeats_no_header(folder):
    """What a kernel does is said once, in cuda.cu; its docstring says what differs."""
    text = source(folder, "numba_cuda")
    assert "cuda.cu" in text.partition('"""')[2].partition('"""')[0]
    assert re.findall(rf"^# (?:{'|'.join(FIELDS)}) .*", text, re.MULTILINE) == []


# Whole files ------------------------------------------------------------------------------------------------


@each_version("cuda")
def test_declaration_is_the_signature(op, kernel):
    """Destinations, inputs, scalars, then the sizes in order of appearance; only inputs are const."""
    parameters = kernel_parameters(source(folder_of(op), "cuda"), "float")[op.written(kernel.version)]
    assert [p.name for p in parameters] == [*(a.name for a in op.arguments), *op.measured]
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
    return {op.written(k.version) for op, k in kernels if k.backend == backend and folder_of(op) == folder}


@each_file
def test_every_kernel_is_listed(folder, backend):
    assert set(written(folder, backend)) == listed(folder, backend)


@pytest.mark.parametrize("folder", _IN_BOTH)
def test_languages_have_the_same_order(folder):
    in_both = listed(folder, "cuda") & listed(folder, "numba_cuda")
    cuda, numba_cuda = ([n for n in written(folder, b) if n in in_both] for b in _LANGUAGES)
    assert cuda == numba_cuda


_WITH_COMMON = ("common.cuh", "numba_common.py", *(f"{f}/{FILES[b]}" for f, b in FILES_THERE))
_WITH_COMMON += tuple(str(path.relative_to(FOLDER)) for path in sorted(FOLDER.glob("*/*.cuh")))


@pytest.mark.parametrize("path", _WITH_COMMON)
def test_every_barrier_says_what_it_separates(path):
    text = (FOLDER / path).read_text(encoding="utf-8")
    for line in re.findall(r".*sync(?:threads|warp)\(.*", text):
        assert re.search(r"\(\)(?:;  //|  #) \w", line), line


@each_file
def test_lines_are_not_too_long(folder, backend):
    """clang-format breaks no comment."""
    assert [line for line in source(folder, backend).splitlines() if len(line) > _MOST_COLUMNS] == []


@pytest.mark.parametrize("path", _WITH_COMMON)
def test_what_a_warp_does_together_is_volatile(path):
    """A compiler may move or leave out other inline PTX, and then not all lanes would take part."""
    text = (FOLDER / path).read_text(encoding="utf-8")
    for words in re.findall(r"asm\s*(\w*)\s*\(\s*\"[^\"]*\.sync\b", text):
        assert words == "volatile"
