"""cgan_raw: a conditional GAN on MNIST in which every kernel is written by hand."""

import signal
import sys
from pathlib import Path

__version__ = "0.1.0"

# In a checkout the kernels lie beside this package, so that a reader finds them at the top, and a link in it
# leads editors to them; where links cannot be had, git makes a file of it.  Installed, they lie inside.  Either
# way they are imported as cgan_raw.kernels.
_here = Path(__file__).resolve().parent
if not (_here / "kernels").is_dir():
    __path__.append(str(_here.parent))

# While python -m cgan_raw.COMMAND imports the command, and once that is over, Ctrl-C simply ends the process:
# the usual handler would show a traceback.  In between, the command listens.
_named = any(word.removeprefix("-m").startswith(f"{__name__}.") for word in sys.orig_argv)
if sys.argv[:1] == ["-m"] and _named and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
