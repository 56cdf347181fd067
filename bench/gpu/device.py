"""Which GPU, driver and versions: the first thing that a result needs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from cgan_raw.devices.choice import make_backend
from cgan_raw.errors import InputError

from ..stamp import stamp

_CHECKOUT = Path(__file__).resolve().parents[2]


def main(out: Path) -> int:
    try:
        backend = make_backend("gpu")
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    import cupy

    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(cupy.cuda.Device().id)
    facts = {
        "note": backend.description,
        "name": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": properties["multiProcessorCount"],
        "memory_bytes": properties["totalGlobalMem"],
        "l2_bytes": properties["l2CacheSize"],
        "cuda_of_driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
        "nvrtc": cupy.cuda.nvrtc.getVersion(),
        "cupy": cupy.__version__,
        "packages": {d.metadata["Name"]: d.version for d in metadata.distributions()},
        "nvidia_smi": _nvidia_smi(),
        "host": stamp(_CHECKOUT),
    }
    out.write_text(json.dumps(facts))
    return 0


def _nvidia_smi() -> str | None:
    """Driver, clocks, power and who else uses the GPU; None if there is no such program."""
    try:
        return subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
