"""Kernels explained at small sizes, and made-up traces."""

from functools import cache

from cgan_raw.explain import figures, subject
from cgan_raw.explain.gpus import DEFAULT, GPUS
from cgan_raw.kernels.simt import trace as tracer

#: Flags that make a product quick.
SMALL = ("--sizes", "M=33,N=33,K=33")


#: Those of a convolution must fit each other.
_OF_IMAGES = {"B": 2, "H": 10, "W": 10, "C": 9, "P": 5, "Q": 5, "R": 4, "stride": 2, "padding": 1}


@cache
def small(name):
    """A kernel with all sizes 33, but for convolutions, and its trace: awkward, and a block or two."""
    dims = subject.kernels()[name][0].dims
    sizes = _OF_IMAGES if "stride" in dims else {}
    (found,) = subject.subjects([name], ",".join(f"{dim}={sizes.get(dim, 33)}" for dim in dims))
    return found, figures.traced(found)


def numbers(name):
    return figures.figures(*small(name), GPUS[DEFAULT])


def access(units, fewest, requests=1, space="shared", array="", kind="load", example=(), line=1):
    """A made-up access of full warps, 4 bytes a lane."""
    file = "/somewhere/cuda.cu"
    counts = (4, requests, 32 * requests, units, fewest)
    return tracer.Access(file, line, space, kind, array, *counts, 0, ((file, line),), tuple(example))


def made_up(*accesses, blocks=1, rounds=0, walk=None):
    return tracer.Trace(accesses, 0, 0, blocks, 256, 0, rounds, walk or {})
