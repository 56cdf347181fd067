"""cgan_raw: a conditional GAN on MNIST in which every kernel is written by hand."""

import signal
import sys
from pathlib import Path

__version__ = "0.1.0"

# In a checkout the kernels lie beside this package, so that a reader finds them at the top; installed, inside
# it. Either way they are imported as cgan_raw.kernels.
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
