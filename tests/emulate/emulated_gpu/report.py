"""What the emulated GPU has to tell, for a test to read: a line of JSON each, as soon as it is known.

Lines are ``[kind, text]`` and go to the end of the file that the environment variable EMULATED_GPU_REPORT
names; all processes that inherit it write to the same one.

======== =====================================================================================================
problem  what CUDA leaves undefined or would fail for later, and whatever is not emulated; on stderr too
refused  a call that was answered with an error, which CuPy turns into an exception
null     an operation that was enqueued on the null stream, and where
compiled the options of one compilation by NVRTC
launch   a CUDA graph was launched: its number of operations
======== =====================================================================================================
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

VARIABLE = "EMULATED_GPU_REPORT"
_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parents[2]


def write(kind: str, text: str) -> None:
    """Append a line; nothing where nobody asked for a report."""
    path = os.environ.get(VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([kind, text]) + "\n")


def problem(text: str) -> None:
    write("problem", text)
    print(f"emulated GPU: {text}", file=sys.stderr, flush=True)


def read(path: Path) -> list[tuple[str, str]]:
    """The lines that a run has left, as (kind, text)."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return [tuple(json.loads(line)) for line in lines]


def caller() -> str:
    """The line of this project, as ``file:line``, that led to the call being answered."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_CHECKOUT) and path.parent != _HERE and "site-packages" not in path.parts:
            return f"{path.relative_to(_CHECKOUT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
