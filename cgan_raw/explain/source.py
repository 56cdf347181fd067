"""The functions of a ``.cu`` file, and which of them a kernel's trace meets."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"//.*")
_WORDS_BEFORE_A_NAME = re.compile(r"\b(?:__launch_bounds__|__align__|alignas)\s*\((?:[^()]|\([^()]*\))*\)")
_FUNCTION = re.compile(r"(\w+)\s*\(")
_STRUCT = re.compile(r"\bstruct\s+(\w+)")


@dataclass(frozen=True)
class Item:
    """A function or struct: its name, and its first and last line, counted from 1."""

    name: str
    first: int
    last: int

    def has(self, lines: Collection[int]) -> bool:
        return any(self.first <= line <= self.last for line in lines)


def items(lines: Sequence[str]) -> list[Item]:
    """What a text formatted by clang-format defines at its top level."""
    found, begin, depth = [], None, 0
    for number, line in enumerate(lines, 1):
        code = _COMMENT.sub("", line).rstrip()
        if begin is None:
            if not re.match(r"\w", code):  # a blank, a directive, the continuation of one
                continue
            begin = number
        depth += code.count("{") - code.count("}")
        if depth == 0 and code.endswith(("}", "};", ";")):
            found.append(Item(_name("\n".join(lines[begin - 1 : number])), begin, number))
            begin = None
    return found


def _name(text: str) -> str:
    declaration = _WORDS_BEFORE_A_NAME.sub("", text)
    match = _STRUCT.search(declaration.partition("{")[0]) or _FUNCTION.search(declaration)
    return match[1] if match else ""


def met(lines: Sequence[str], kernel: str, places: Collection[int]) -> list[Item]:
    """The kernel, and what it calls by whatever way to a line among ``places``, in the order of the text."""
    by_name = {item.name: item for item in items(lines) if item.name}
    calls = {
        name: set(re.findall(r"\w+", "\n".join(lines[item.first - 1 : item.last]))) & by_name.keys() - {name}
        for name, item in by_name.items()
    }

    def leads(name: str, above: frozenset[str]) -> bool:
        deeper = (leads(other, above | {name}) for other in calls[name] - above)
        return by_name[name].has(places) or any(deeper)

    shown, ahead = set(), [kernel]
    while ahead:
        name = ahead.pop()
        shown.add(name)
        ahead += [other for other in calls[name] - shown if leads(other, frozenset({name}))]
    return sorted((by_name[name] for name in shown), key=lambda item: item.first)
