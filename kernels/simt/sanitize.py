"""Runs Python under a sanitizer, and with it every kernel that the ``simt`` executor builds.

    python -m cgan_raw.kernels.simt.sanitize address,undefined -m pytest tests/simt
    python -m cgan_raw.kernels.simt.sanitize thread script.py

A sanitizer must be in the process from its start, so Python is started anew with its library preloaded.
"""

import ctypes
import os
import sys

from . import SANITIZE_VARIABLE
from .compiler import SANITIZERS, BuildError, sanitizer_path

_ADDR_NO_RANDOMIZE = 0x0040000  # <sys/personality.h>
_KEEP_PERSONALITY = 0xFFFFFFFF


def environment(sanitize: str) -> dict[str, str]:
    """What the environment of a sanitized process adds to this one's."""
    return {
        SANITIZE_VARIABLE: sanitize,
        "LD_PRELOAD": sanitizer_path(sanitize),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "exitcode=66 history_size=7",  # the longest: both lines of a race can be named
        # Else pytest keeps what its process writes, and a report ends with it.
        "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} --capture=sys",
        "OPENBLAS_NUM_THREADS": "1",  # not compiled for TSan, which would mistake its threads' work for races
    }


def main(arguments: list[str]) -> None:
    """Replace this process by a sanitized Python that gets the arguments after the first."""
    if len(arguments) < 2 or arguments[0] not in SANITIZERS or not arguments[0]:
        choice = "|".join(name for name in SANITIZERS if name)
        sys.exit(f"usage: python -m cgan_raw.kernels.simt.sanitize {choice} ARGUMENTS OF PYTHON")
    # TSan wants its shadow memory at fixed addresses, which a random layout may have taken; where the kernel
    # forbids the call, it is tried all the same.
    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    personality(personality(_KEEP_PERSONALITY) | _ADDR_NO_RANDOMIZE)
    try:
        added = environment(arguments[0])
    except BuildError as error:
        sys.exit(str(error))
    os.execve(sys.executable, [sys.executable, *arguments[1:]], os.environ | added)


if __name__ == "__main__":
    main(sys.argv[1:])
