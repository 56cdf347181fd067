"""What all tests share: hypothesis draws the same examples on every run and gives none of them a deadline.

A failing example is reported as drawn: a comparison names the wrong element, and shrinking takes minutes.
BLAS has one thread: idle ones spin, which makes tests ten times slower where something else uses the cores.
Ctrl-C is heard by the processes that tests start, even where a background shell made this one deaf to it.
"""

import os
import signal

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported

os.environ.pop("PYTEST_XDIST_WORKER", None)  # else a pytest that a test starts takes itself for a worker

from hypothesis import Phase, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
