"""Which extra of the package goes with this machine's GPU, by what its driver says.

make runs this file by itself, before the package is installed: it imports the standard library alone.
"""

from __future__ import annotations

import re
import subprocess

_SECONDS = 30  # a driver that has not answered by then will not


def gpu_extra() -> str | None:
    """``cu13`` where driver and chip know CUDA 13, else ``cu12``; None without a GPU, or for older ones."""
    version = re.search(r"CUDA Version: ([0-9]+)", _nvidia_smi())
    chip = re.match(r"([0-9]+)\.([0-9])", _nvidia_smi("--query-gpu=compute_cap", "--format=csv,noheader"))
    if version is None or chip is None or int(version[1]) < 12:
        return None
    return "cu13" if int(version[1]) >= 13 and int(chip[1] + chip[2]) >= 75 else "cu12"


def _nvidia_smi(*flags: str) -> str:
    """What the driver's program prints; nothing if it is not there or fails."""
    try:
        return subprocess.run(
            ["nvidia-smi", *flags], capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""


if __name__ == "__main__":
    print(gpu_extra() or "")
