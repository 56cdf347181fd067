"""cgan_raw: a conditional GAN on MNIST in which every kernel is written by hand."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import InputError, TrainingError
    from .generator import load
    from .train.fit import fit

__version__ = "0.1.0"

__all__ = ["InputError", "TrainingError", "__version__", "fit", "load"]

#: Where they lie; each is imported when it is first asked for, as commands need neither.
_HOMES = {"InputError": "errors", "TrainingError": "errors", "load": "generator", "fit": "train.fit"}

# In a checkout the kernels lie beside this package, so that a reader finds them at the top, and a link in it
# leads editors to them; where links cannot be had, git makes a file of it.  Installed, they lie inside.  Either
# way they are imported as cgan_raw.kernels.
_here = Path(__file__).resolve().parent
if not (_here / "kernels").is_dir():
    __path__.append(str(_here.parent))

# While python -m cgan_raw.COMMAND, python -m cgan_raw or cgan-raw imports the command, and once that is over,
# Ctrl-C simply ends the process: the usual handler would show a traceback.  In between, the command listens.
_program = Path(sys.argv[0]) if sys.argv else Path()
_named = any(word.removeprefix("-m").split(".")[0] == __name__ for word in sys.orig_argv)
_is_command = _program.stem == "cgan-raw" or (str(_program) == "-m" and _named)
if _is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
