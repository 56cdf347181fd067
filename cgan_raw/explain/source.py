"""The functions of a kernel's source, and which of them its trace meets."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_COMMENT = re.compile(r"//.*")
_WORDS_BEFORE_A_NAME = re.compile(r"\b(?:__launch_bounds__|__align__|alignas)\s*\((?:[^()]|\([^()]*\))*\)")
_FUNCTION = re.compile(r"(\w+)\s*\(")
_STRUCT = re.compile(r"\bstruct\s+(\w+)")

Place = tuple[str, int]  #: a file and a line, counted from 1


@dataclass(frozen=True)
class Item:
    """A function or struct: its name, and its lines from the number of the first on."""

    name: str
    file: Path
    first: int
    lines: tuple[str, ...]

    def has(self, places: Collection[Place]) -> bool:
        numbers = range(self.first, self.first + len(self.lines))
        return any(file == str(self.file) and line in numbers for file, line in places)


def items(file: Path) -> list[Item]:
    """What a file that clang-format has formatted defines at its top level."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found, begin, depth = [], None, 0
    for number, line in enumerate(lines, 1):
        code = _COMMENT.sub("", line).rstrip()
        if begin is None:
            if not re.match(r"\w", code):  # a blank, a directive, the continuation of one
                continue
            begin = number
        depth += code.count("{") - code.count("}")
        if depth == 0 and code.endswith(("}", "};", ";")):
            own = tuple(lines[begin - 1 : number])
            found.append(Item(_name("\n".join(own)), file, begin, own))
            begin = None
    return found


def _name(text: str) -> str:
    declaration = _WORDS_BEFORE_A_NAME.sub("", text)
    match = _STRUCT.search(declaration.partition("{")[0]) or _FUNCTION.search(declaration)
    return match[1] if match else ""


def met(files: Sequence[Path], kernel: str, places: Collection[Place]) -> list[Item]:
    """The kernel, and what it calls by whatever way to one of the places, in the order of the source."""
    known = [item for file in files for item in items(file)]
    words = {item: set(re.findall(r"\w+", "\n".join(item.lines))) for item in known}
    called = {item: [other for other in known if other.name in words[item]] for item in known}

    def leads(item: Item, above: frozenset[Item]) -> bool:
        deeper = (leads(other, above | {item}) for other in called[item] if other not in above | {item})
        return item.has(places) or any(deeper)

    shown, ahead = set(), [item for item in known if item.name == kernel]
    while ahead:
        item = ahead.pop()
        shown.add(item)
        ahead += [other for other in called[item] if other not in shown and leads(other, frozenset({item}))]
    return [item for item in known if item in shown]
