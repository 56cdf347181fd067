"""The ladder of the dense products as a table in kernels/README.md: what to expect of each version, and what
was found on a GPU.

A trace of dense_forward tells the bytes of global memory, and the clocks for which the path between the lanes
of a multiprocessor and its L1 cache and shared memory is busy.  A multiprocessor is no faster than that path,
and no faster than its multiply-adds: the slower of the two bounds the share of its peak.
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
from cgan_raw.explain.gpus import DEFAULT, GPUS, WARP
from cgan_raw.kernels import dense
from cgan_raw.kernels.registry import ops
from cgan_raw.kernels.simt.trace import SECTOR, trace

from .kernels import LARGE
from .results import RESULTS, load

#: Of the products that are traced.
SIZES = {"M": 256, "N": 256, "K": 256}

_OP = "dense_forward"
_RUNG = re.compile(r'^#include "(\w+)\.cuh" +// (.*)$', re.MULTILINE)


class Expected(NamedTuple):
    """Per multiply-add: bytes of global memory, in sectors.  Per multiply-add of a warp: clocks of the data
    path, and of the arithmetic itself."""

    bytes: float
    path: float
    arithmetic: float

    @property
    def share(self) -> float:
        """Of the peak, at most."""
        return self.arithmetic / max(self.arithmetic, self.path)


def rungs() -> dict[str, str]:
    """Each version of the ladder and its idea, by the comments in dense/cuda.cu."""
    text = Path(dense.__file__).with_name("cuda.cu").read_text(encoding="utf-8")
    return dict(_RUNG.findall(text.partition("// Two branches")[0]))


@cache
def expected(version: str) -> Expected:
    op, gpu = ops()[_OP], GPUS[DEFAULT]
    kernel = next(k for k in op.kernels if (k.backend, k.version) == ("cuda", version))
    found = trace(op, kernel, make_arguments(op, SIZES, np.random.default_rng(0)), SIZES)
    count = math.prod(SIZES.values())
    clocks = data_path_clocks(found) * LINE / gpu.data_path
    return Expected(found.sectors * SECTOR / count, clocks / (count / WARP), WARP / gpu.lanes)


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
    heads = ("version", "its idea", "bytes", "clocks", "bound by", "of the peak, at most", "found on a GPU")
    yield f"| {' | '.join((*heads, 'of cuBLAS'))} |"
    yield "|---|---|--:|--:|---|--:|--:|--:|"
    measured = found(results)
    for version, idea in rungs().items():
        at = expected(version)
        by = "L1 and shared memory" if at.share < 1 else "multiply-adds"
        share, beside = measured.get(version, (None, None))
        cells = (
            f"[{version}](dense/{version}.cuh)",
            idea,
            f"{at.bytes:.3g}",
            f"{at.path:.2g}",
            by,
            f"{at.share:.0%}",
            "" if share is None else f"{share:.0%}",
            "" if beside is None else f"{beside:.2f}",
        )
        yield f"| {' | '.join(cells)} |"
