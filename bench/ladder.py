"""The ladder of the dense products as a table in kernels/README.md: what to expect of each version, and what
was found on a GPU.

A trace of dense_forward tells the bytes of global memory, and the clocks for which the path between the lanes
of a multiprocessor and its L1 cache and shared memory is busy.  A version is no faster than that path allows;
and where the L1 cache answers none of what is asked for, no faster than the L2 cache.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cgan_raw.arguments import make_arguments
from cgan_raw.explain.figures import LINE, data_path_clocks
from cgan_raw.explain.gpus import WARP
from cgan_raw.kernels import dense
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt.trace import SECTOR, trace

from .kernels import LARGE
from .results import RESULTS, load
from .stages import GPU, L2_BANDWIDTH

#: Of the products that are traced.
SIZES = {"M": 256, "N": 256, "K": 256}

_OP = "dense_forward"
_RUNG = re.compile(r'^#include "(\w+)\.cuh" +// (.*)$', re.MULTILINE)


class Expected(NamedTuple):
    """Bytes of global memory per multiply-add, in sectors; clocks of the path per multiply-add of a warp; the
    shares of a GPU's peak that the path allows, and that the L2 cache allows."""

    bytes: float
    clocks: float
    by_path: float
    by_l2: float


def rungs() -> dict[str, str]:
    """Each version of the ladder and its idea, by the comments in dense/cuda.cu."""
    text = Path(dense.__file__).with_name("cuda.cu").read_text(encoding="utf-8")
    return dict(_RUNG.findall(text.partition("// Two branches")[0]))


@cache
def expected(version: str) -> Expected:
    op = ops()[_OP]
    kernel = next(k for k in op.kernels if (k.backend, k.version) == ("cuda", version))
    found = trace(op, kernel, make_arguments(op, SIZES, np.random.default_rng(0)), SIZES)
    count = math.prod(SIZES.values())
    sectors = found.sectors * SECTOR / count
    clocks = data_path_clocks(found) * LINE / GPU.data_path / (count / WARP)
    peak = GPU.lanes * GPU.multiprocessors * GPU.clock
    return Expected(sectors, clocks, min(1, WARP / GPU.lanes / clocks), min(1, L2_BANDWIDTH / sectors / peak))


def found(results: Path = RESULTS) -> dict[str, tuple[float, float | None]]:
    """Of each version that a GPU was measured with on a large product: its share of the peak, and of cuBLAS."""
    shares = {}
    for file in load(results, "kernels", lambda file: file):
        rows = [row for row in file["rows"] if (row["op"], row["sizes"], row["place"]) == (_OP, LARGE, "gpu")]
        seconds = {row["by"]: row["seconds"]["median"] for row in rows}
        for row in rows:
            backend, _, version = row["by"].partition(" ")
            if backend == "cuda":
                peak = row["flop"] / file["peaks"]["gpu"]["flop"]["float32"]
                best = seconds.get("cuBLAS")
                shares[version] = peak / seconds[row["by"]], best and best / seconds[row["by"]]
    return shares


def lines(results: Path = RESULTS) -> Iterator[str]:
    """The table, in Markdown."""
    heads = ("version", "its idea", "bytes", "clocks", "L1 and shared memory allow", "the L2 cache allows")
    yield _row(*heads, "found on a GPU", "of cuBLAS")
    yield "|---|---" + "|--:" * 6 + "|"
    measured = found(results)
    for version, idea in rungs().items():
        at = expected(version)
        share, beside = measured.get(version, (None, None))
        counted = (f"{at.bytes:.3g}", f"{at.clocks:.2g}", _share(at.by_path), _share(at.by_l2))
        yield _row(
            f"[{version}](dense/{version}.cuh)",
            idea,
            *counted,
            "" if share is None else _share(share),
            "" if beside is None else f"{beside:.2f}",
        )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _share(of_peak: float) -> str:
    return f"{of_peak:.1%}" if of_peak < 0.1 else f"{of_peak:.0%}"
