"""Two small iterations under compute-sanitizer's four tools, each array in an allocation of its own."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from commands import ENVIRONMENT, finish

pytestmark = pytest.mark.usefixtures("command")

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
PATIENCE = 100  # seconds
FOUND = 86  # the exit code if a tool reports an error

#: CuPy's pool would hide reads past an array's end: what lies there belongs to the pool.
TRAIN = """
import sys, cupy
cupy.cuda.set_allocator(None)
from cgan_raw.train.__main__ import main
sys.exit(main(sys.argv[1:]))
"""

#: A kernel that reads past the end of its array.
DEFECT = """
import cupy
cupy.cuda.set_allocator(None)
kernel = cupy.RawKernel('extern "C" __global__ void f(float* p) { p[0] = p[1 << 20]; }', "f")
kernel((1,), (1,), (cupy.zeros(1, "float32"),))
cupy.cuda.Device().synchronize()
"""


def sanitizer():
    """compute-sanitizer on the path, in a CUDA toolkit or in the wheel nvidia-cuda-sanitizer-api; or None."""
    wheels = importlib.util.find_spec("nvidia")
    folders = wheels.submodule_search_locations if wheels else ()
    toolkits = (os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), "/usr/local/cuda")
    found = [
        shutil.which("compute-sanitizer"),
        *(shutil.which("compute-sanitizer", path=f"{toolkit}/bin") for toolkit in filter(None, toolkits)),
        *(
            str(path)
            for folder in folders
            for path in Path(folder).glob("*/compute-sanitizer/compute-sanitizer")
        ),
    ]
    return next(filter(None, found), None)


def sanitized(tool, *arguments, cwd):
    """Run Python under a tool; the finished process, with all that was printed in ``stdout``."""
    program = sanitizer()
    if program is None:
        pytest.skip("compute-sanitizer is not installed: pip install nvidia-cuda-sanitizer-api")
    command = [program, "--tool", tool, "--error-exitcode", FOUND, sys.executable, "-c", *arguments]
    return finish([str(word) for word in command], PATIENCE, cwd=cwd, env=ENVIRONMENT)


def test_an_error_would_be_seen(tmp_path):
    done = sanitized("memcheck", DEFECT, cwd=tmp_path)
    assert done.returncode != 0
    assert "Invalid __global__ read" in done.stdout, done.stdout


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("tf32", [(), ("--tf32",)], ids=["float32", "tf32"])
def test_clean(tool, tf32, tmp_path):
    flags = ("--device", "gpu", *tf32, "--iterations", 2, "--batch-size", 5, "--no-graph", "--out", "run")
    done = sanitized(tool, TRAIN, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "COMPUTE-SANITIZER" in done.stdout
    assert "finished after iteration 2" in done.stdout
