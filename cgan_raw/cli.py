"""What the command lines share: errors become one line and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError, TrainingError, explain

if TYPE_CHECKING:
    from .backend import Backend

KERNELS = ("cuda", "numba")
DEVICES = ("auto", "cpu", "gpu", "simt")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where to compute; auto: a GPU if one can be used, else the CPU; "
        "simt: the GPU's kernels, thread by thread on the CPU (default: %(default)s)",
    )
    parser.add_argument(
        "--kernels",
        choices=KERNELS,
        default="cuda",
        help="on gpu: the kernels in CUDA C++ or those in Numba CUDA (default: %(default)s)",
    )
    parser.add_argument(
        "--tf32", action="store_true", help="on gpu and simt: multiply on the tensor cores, with 11-bit factors"
    )


def check_seed(seed: int) -> None:
    """InputError unless it is one."""
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed must be from 0 to 2^64 - 1, not {seed}")


def check_places(*paths: Path) -> None:
    """InputError unless each file's folder is there and no two files, those read among them, are one."""
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if not path.parent.is_dir():
            raise InputError(f"{path}: no such folder")
        if places.count(place) > 1:
            raise InputError(f"{path}: is given for two files")


def make_backend(given: argparse.Namespace, graph: bool = True) -> Backend:
    """The backend that the flags ask for; InputError if it cannot be used here."""
    from . import backends  # NumPy and what stands on it: --help needs none of it

    return backends.make_backend(given.device, given.tf32, graph, given.kernels)


def run(main: Callable[[], int]) -> int:
    """Call ``main``; its exit code, or 2 for bad input and 1 for a failure, each with one line on stderr."""
    try:
        return main()
    except InputError as error:
        return _fail(error, 2)
    except TrainingError as error:
        return _fail(error, 1)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", 1)
    except OSError as error:
        return _fail(explain(error), 1)
    except KeyboardInterrupt:
        return 130


def _fail(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code
