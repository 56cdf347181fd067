"""The comment above a kernel in CUDA C++: its fields, and the numbers that it says of memory and barriers.

    // Memory    24 bytes per element asked for, 26.1 in sectors, 16 the least.  Shared memory: 1 wavefront per
    //           load, 4 per store.
    // Barriers  2 per K-tile of 16, 4 of a warp per tile: what they are for

An element is one of the op's first destination; a product may count per multiply-add.  The numbers are those of
a launch at the op's costliest call by the network, or at sizes that follow in brackets: (M = N = 256).  They
are the first pass's; another one that differs is named behind them: ``; backward_input 24, 132, 16`` after the
least, ``; backward_input 1, 2`` after the stores.  A version that is the same text is named in the same way.
"""

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cgan_raw.kernels import dense, registry
from cgan_raw.kernels.geometry import ceil_div
from cgan_raw.kernels.launch import source_files

FOLDER = Path(registry.__file__).parent
FIELDS = ("Threads", "Memory", "Limit", "Barriers", "Numerics", "Source")

#: Backend -> its file in an op's folder.
FILES = {"reference": "reference.py", "cuda": "cuda.cu", "numba_cuda": "numba_cuda.py"}

_N = r"\d+(?:\.\d+)?"
_MEMORY = re.compile(
    rf"({_N}) bytes per (element|multiply-add) asked for, ({_N}) in sectors, ({_N}) the least"
    rf"(?P<others>(?:; \w+ {_N}, {_N}, {_N})*)(?: \((?P<sizes>[\w =,]+)\))?[.:]"
)
_SHARED = re.compile(
    rf"Shared memory: (?:({_N}) wavefronts? per load)?(?:, )?(?:({_N})(?: wavefronts?)? per store)?"
    rf"(?P<others>(?:; \w+ {_N}(?:, {_N})?)*)\."
)
_BARRIERS = re.compile(r"(\d+)( of a warp)? per (?:tile|K-tile of (\w+))")


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
    """A file, and what it includes."""
    files = source_files(FOLDER / folder / FILES[backend])
    return "".join(path.read_text(encoding="utf-8") for path in files)


def header(op, kernel):
    """The comment that begins with the kernel's name, perhaps among those of its passes."""
    text = source(folder_of(op), kernel.backend)
    for block in re.finditer(r"(?:^//.*\n)+", text, re.MULTILINE):
        lines = tuple(line.removeprefix("//").removeprefix(" ") for line in block[0].splitlines())
        fields = unwrapped(lines)
        if op.written(kernel.version) in re.split(r",\s*", fields["purpose"].partition(":")[0]):
            return Header(lines, fields, text[block.end() :].partition("\n// ")[0])
    raise AssertionError(f"{op.function(kernel.version)} has no header")


def unwrapped(lines):
    """Purpose, formula and fields, each as one line with single spaces."""
    found, key = {"purpose": []}, "purpose"
    for line in lines:
        field = next((f for f in FIELDS if line.startswith(f"{f:<8}  ")), None)
        key = field or ("formula" if key == "purpose" and not line else key)
        found.setdefault(key, []).append(line.removeprefix(field or ""))
    return {key: " ".join(" ".join(words).split()) for key, words in found.items()}


def sizes_in(memory):
    """The sizes at which a Memory field's numbers hold, if it names any: ``(M = N = 256, K = 64)``."""
    match = _MEMORY.match(memory)
    assert match, f"Memory begins with its numbers: {memory}"
    sizes = {}
    for words in (match["sizes"] or "").split(", ") if match["sizes"] else ():
        *names, value = words.split(" = ")
        sizes |= dict.fromkeys(names, int(value))
    return sizes


def claims(op, fields, sizes, version=None):
    """What a header's fields say in numbers: see :func:`figures`, which has the same keys."""
    match, shared = _MEMORY.match(fields["Memory"]), _SHARED.search(fields["Memory"])
    assert match, f"Memory begins with its numbers: {fields['Memory']}"
    assert ("Shared memory" in fields["Memory"]) == bool(shared), "wavefronts per load and per store"
    asked, per, sectors, least = match.groups()[:4]
    numbers = _of_other(op, version, match["others"]) or [float(n) for n in (asked, sectors, least)]
    said = dict(zip(("asked", "in sectors", "the least"), numbers, strict=True))
    if shared:
        load, store = shared.groups()[:2]
        kinds = {"wavefronts per load": load, "wavefronts per store": store}
        kinds = {kind: float(n) for kind, n in kinds.items() if n}
        said |= dict(zip(kinds, _of_other(op, version, shared["others"]) or kinds.values(), strict=True))
    return {"per": per} | said | _barriers(op, fields.get("Barriers"), sizes)


def _of_other(op, version, others):
    """The numbers that stand behind the name of the op's pass, or of its version, if it is among the others."""
    for words in others.split("; ")[1:]:
        name, _, numbers = words.partition(" ")
        if name == version or op.name.endswith(f"_{name}"):
            return [float(n) for n in numbers.split(", ")]
    return None


def _barriers(op, text, sizes):
    found = {"barriers": 0, "of a warp": 0}
    for words in text.partition(": ")[0].split(", ") if text else ():
        match = _BARRIERS.fullmatch(words)
        assert match, f"Barriers begins with how many there are per tile or per K-tile: {text}"
        count, of_warp, tile = match.groups()
        rounds = ceil_div(op.product(**sizes)[2], int(dense.CONSTANTS.get(tile, tile))) if tile else 1
        found["of a warp" if of_warp else "barriers"] += int(count) * rounds
    return found


def figures(op, found, sizes, per):
    """The same from a trace: bytes per element or multiply-add, wavefronts per request, barriers of a thread.

    At the contract's geometry a block has one tile.
    """
    multiply_adds = op.flops(**sizes) // 2  # the few additions of a bias are no more than the tolerance
    count = math.prod(op.arguments[0].shape(sizes)) if per == "element" else multiply_adds
    traced = {"asked": found.asked, "in sectors": 32 * found.sectors, "the least": op.bytes(**sizes)}
    ratios = {key: value / count for key, value in traced.items()}
    for kind in ("load", "store"):
        shared = found.of("shared", kind)
        if shared:
            ratios[f"wavefronts per {kind}"] = sum(a.units for a in shared) / sum(a.requests for a in shared)
    return {"per": per} | ratios | {"barriers": found.barriers, "of a warp": found.warp_barriers}


def untrue(said, traced):
    """What a header says otherwise than a trace: a number that is off by more than 1 %, which three digits are
    not; a barrier more or less; something that only one of them has."""
    wrong = said.keys() ^ traced.keys()
    for key in said.keys() & traced.keys():
        if isinstance(said[key], float):
            right = abs(said[key] - traced[key]) <= 0.01 * traced[key]
        else:
            right = said[key] == traced[key]
        if not right:
            wrong.add(key)
    return sorted(wrong)
