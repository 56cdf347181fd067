"""On a machine with AVX-512, the CPU's kernels once more, compiled for AVX2: their tiles are others."""

import re
import subprocess
import sys

import pytest

from bench.results import CHECKOUT
from cgan_raw.kernels.instructions import AVX512, NAME

if not AVX512:
    pytest.skip(f"the vectors here are those of {NAME}, and all tests run with them", allow_module_level=True)


def narrowed(*arguments):
    command = [sys.executable, "-m", "bench.avx2", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


LOOP = """
import numba
from cgan_raw.kernels.dense import microkernel
from cgan_raw.kernels.instructions import NAME

@numba.njit("void(float32[::1], float32[::1])")
def add(x, y):
    for i in range(x.size):
        y[i] += x[i]

code = "".join(add.inspect_asm().values())
print(NAME, microkernel.ROWS, microkernel.COLUMNS, "ymm" in code, "zmm" in code)
"""


def test_vectors_are_those_of_avx2():
    done = narrowed("-c", LOOP)
    assert done.stdout == "AVX2 6 16 True False\n", done.stderr


#: Both in float32 alone: in float64, which nobody trains in, there is as much again to compile.
KERNELS = ("tests/kernels/test_against_reference.py", "tests/kernels/test_values.py")
RUNS = ("tests/golden", "tests/model")


@pytest.mark.parametrize(("places", "fewest"), [(KERNELS, 100), (RUNS, 10)], ids=["kernels", "runs"])
def test_cpu_kernels_and_whole_runs_pass(places, fewest):
    done = narrowed("-m", "pytest", "-q", "-k", "cpu and not float64", "-p", "no:cacheprovider", *places)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > fewest
