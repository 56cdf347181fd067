"""Launch geometry: how many blocks of how many threads cover an array.

Grids are one-dimensional: each block walks tiles (activation/cuda.cu).
"""

from __future__ import annotations

from typing import NamedTuple

#: Threads of a block, and its shape (x, y) over an array's columns and rows.
THREADS = 256
PLANE = (32, 8)
LINE = (THREADS, 1)


class Geometry(NamedTuple):
    """A grid of ``grid`` blocks, each of ``block`` = (x, y) threads."""

    grid: int
    block: tuple[int, int]


def ceil_div(a: int, b: int) -> int:
    """The least n with n * b >= a: how many tiles of b cover a."""
    return -(-a // b)


def plane(rows: int, columns: int) -> Geometry:
    """One thread per element of a (rows, columns) array."""
    x, y = PLANE
    return Geometry(ceil_div(rows, y) * ceil_div(columns, x), PLANE)


def all_rows(columns: int) -> Geometry:
    """One block for every 32 columns, with all their rows."""
    return Geometry(ceil_div(columns, PLANE[0]), PLANE)


def line(n: int) -> Geometry:
    """One thread for each of n elements."""
    return Geometry(ceil_div(n, THREADS), LINE)


def fours(n: int) -> Geometry:
    """One thread for every four of n elements: a block of random words."""
    return line(ceil_div(n, 4))


def one_block() -> Geometry:
    return Geometry(1, LINE)
