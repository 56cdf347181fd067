"""Bugs that somebody could make, and for each the check that must find it.

``python tests/mutants/run.py`` plants them one by one in a copy of the checkout.  A bug that once got past the
tests is worth an entry; the check should be the narrowest that finds it.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A bug: in ``file``, ``old``, which stands there exactly once, becomes ``new``.

    ``check`` are pytest's arguments; with ``sanitizer`` it runs under that one, whose report finds the bug too.
    """

    name: str
    file: str
    old: str
    new: str
    check: str
    sanitizer: str = ""


def _bugs(file: str, *bugs: tuple[str, ...]) -> list[Mutant]:
    return [Mutant(name, file, *rest) for name, *rest in bugs]


MUTANTS: list[Mutant] = [
    *_bugs(
        "kernels/activation/cuda.cu",
        (
            "leaky-relu-kink",
            "dx[i] = x[i] > 0 ?",
            "dx[i] = x[i] >= 0 ?",
            "tests/kernels/test_values.py -k kink_backward-leaky_relu_backward-cuda",
        ),
    ),
]
