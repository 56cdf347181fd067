"""What the command lines share: flags, checks, and how errors and signals become a line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..devices import DEVICES, KERNELS
from ..errors import InputError, TrainingError, explain
from ..files.checkpoint_file import checkpoint_of
from .stopping import SIGNALS
from .text import printable

if TYPE_CHECKING:
    from ..devices.backend import Backend


def called(command: str) -> str:
    """How the user says ``cgan_raw``'s command of this name: the way this process was called.

    ``cgan-raw train`` by the console command and ``python -m cgan_raw train`` by the package, else
    ``python -m cgan_raw.train``; of no command (``""``), what stands before its name.
    """
    program = Path(sys.argv[0])
    if program.stem == "cgan-raw":
        return f"cgan-raw {command}".rstrip()
    if not command or program.parts[-2:] == ("cgan_raw", "__main__.py"):
        return f"python -m cgan_raw {command}".rstrip()
    return f"python -m cgan_raw.{command}"


class Parser(argparse.ArgumentParser):
    """argparse's for a command, but that it repeats what it was given as text, and knows ``--version``."""

    def __init__(self, command: str, description: str, **how: Any):
        super().__init__(prog=called(command), description=description, **how)
        self.add_argument("--version", action="version", version=f"cgan_raw {__version__}")

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


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


def path(text: str) -> Path:
    """How argparse reads a path; an empty one is not the folder that one is in."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def add_run(parser: argparse.ArgumentParser) -> None:
    """``checkpoint``, the path of a file, whichever of the two was given."""
    parser.add_argument(
        "checkpoint",
        type=_checkpoint,
        metavar="RUN",
        help="a run folder, or the checkpoint.safetensors in one",
    )


def _checkpoint(text: str) -> Path:
    return checkpoint_of(path(text))


def backend(given: argparse.Namespace, graph: bool = True) -> Backend:
    """The backend that the flags ask for; InputError if it cannot be used here."""
    from ..devices import choice as backends  # NumPy and what stands on it: --help needs none of it

    return backends.make_backend(given.device, given.tf32, graph, given.kernels)


def run(main: Callable[[], int]) -> int:
    """Call ``main``, which also reads the command line; the exit code.

    It is what ``main`` returns, 2 for bad input and 1 for a failure, each with one line on stderr, or 128 and
    the number of a signal: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, 141 (SIGPIPE) where nobody
    reads the output.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of a letter that the terminal does not have
    with SIGNALS:
        code = _exit_code(main)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again at its end
            code = code or SIGNALS.exit_code or _unwritten(error)
        return code or SIGNALS.exit_code


def _exit_code(main: Callable[[], int]) -> int:
    try:
        return main()
    except InputError as error:
        return _fail(error, 2)
    except TrainingError as error:
        return _fail(error, 1)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}".removesuffix(": "), 1)
    except OSError as error:
        return _unwritten(error)
    except SystemExit as end:  # argparse, and signals
        return end.code
    except Exception:  # as what does a signal arrive that has come through C?
        if SIGNALS.received is None:
            raise
        return SIGNALS.exit_code


def _unwritten(error: OSError) -> int:
    """A reader that has gone away is told nothing."""
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE
    return _fail(explain(error), 1)


def _fail(error: object, code: int) -> int:
    with contextlib.suppress(OSError):  # a terminal that has been closed
        print(printable(f"error: {error}"), file=sys.stderr)
    return code
