"""Which kernel is meant by a name, and on what sizes it is explained."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..calls import costliest, network_calls
from ..errors import InputError
from ..kernels.launch import source_files
from ..kernels.registry import MOST_ELEMENTS, Kernel, Op, ops

_SIZE = re.compile(r"\s*(\w+)\s*=\s*(\d{1,10})\s*")
_NEAR = 3
_SMALL = 32  # a size that nothing else tells


@dataclass(frozen=True)
class Subject:
    """A CUDA C++ kernel of an op, the sizes of a launch, and in words where those come from."""

    op: Op
    kernel: Kernel
    sizes: dict[str, int]
    why: str

    @property
    def name(self) -> str:
        return self.op.function(self.kernel.version)

    @property
    def written(self) -> str:
        """Its name in the source."""
        return self.op.written(self.kernel.version)

    @property
    def files(self) -> tuple[Path, ...]:
        """The kernel's source: the op's file, behind those of its folder that it includes."""
        folder = Path(import_module(self.op.package).__file__).resolve()
        whole, *parts = source_files(folder.with_name("cuda.cu"))
        return (*parts, whole)


def kernels() -> dict[str, tuple[Op, Kernel]]:
    """Every CUDA C++ kernel by its name, in the registry's order."""
    return {
        op.function(kernel.version): (op, kernel)
        for op in ops().values()
        for kernel in op.kernels
        if kernel.backend == "cuda"
    }


def subjects(words: Sequence[str], sizes: str | None) -> list[Subject]:
    """What the words of a command line name, each once.

    Parameters
    ----------
    words : names of kernels; of ops, which stand for all their versions or for those that follow; and of
        versions, which are those of the op before them, or of the first op that has any.
    sizes : ``"M=32,K=784"``; those that are left out are the network's.

    Raises
    ------
    InputError : a word that names nothing, or a size that an op does not have or cannot take.
    """
    given = _given(sizes)
    return [_subject(*pair, given) for pair in _named(words)]


def _named(words: Sequence[str]) -> list[tuple[Op, Kernel]]:
    known, found = kernels(), []
    op = next(op for op, kernel in known.values() if kernel.version)
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word in known:
            op = known[word][0]
            found.append(word)
        elif word in ops():
            op = ops()[word]
            if op.function(following) not in known:
                found += [name for name, (other, _) in known.items() if other is op]
        elif op.function(word) in known:
            found.append(op.function(word))
        else:
            raise InputError(f"{word}: no such kernel{_near(word, [*known, *ops()])}")
    return [known[name] for name in dict.fromkeys(found)]


def _near(word: str, names: Sequence[str]) -> str:
    near = list(dict.fromkeys(difflib.get_close_matches(word, names, _NEAR)))
    near = near or [name for name in names if word in name][:_NEAR]
    return f"; near it are {', '.join(near)}" if near else "; without a name, all are listed"


def _given(sizes: str | None) -> dict[str, int]:
    if sizes is None:
        return {}
    matches = [_SIZE.fullmatch(part) for part in sizes.split(",")]
    if not all(matches):
        raise InputError(f"--sizes {sizes}: sizes are written as M=32,K=784")
    return {match[1]: int(match[2]) for match in matches}


def _subject(op: Op, kernel: Kernel, given: dict[str, int]) -> Subject:
    strange = [name for name in given if name not in op.dims]
    if strange:
        raise InputError(f"--sizes: {op.name} has no size {strange[0]}; it has {', '.join(op.dims)}")
    network, why = costliest(op), f"the network's most costly call of {op.name}"
    if network is None:
        network, why = _of_the_folder(op), "sizes of its folder's other ops, for no network calls it"
    if set(given) == set(op.dims):
        why = "as given"
    elif given:
        why = f"where not given, {why}"
    sizes = {name: given.get(name, network[name]) for name in op.dims}
    if sizes.get("stride") == 0:
        raise InputError("--sizes: stride must be at least 1")
    for argument in (a for a in op.arguments if a.dims is not None):
        count = math.prod(argument.shape(sizes))
        if not 1 <= count <= MOST_ELEMENTS:
            raise InputError(f"--sizes: {argument.name} would have {count} elements; from 1 to 2^30 can be")
    return Subject(op, kernel, sizes, why)


def _of_the_folder(op: Op) -> dict[str, int]:
    """The largest size of each name that the network has in the op's folder."""
    calls = [dict(call.sizes) for call in network_calls() if ops()[call.op].package == op.package]
    return {name: max((sizes[name] for sizes in calls if name in sizes), default=_SMALL) for name in op.dims}
