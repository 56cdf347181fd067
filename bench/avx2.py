"""Runs Python as on a machine whose vectors are those of AVX2, on one that has AVX-512 too.

    python -m bench.avx2 -m bench.compare_iterations
    python -m bench.avx2 -m pytest tests/kernels

Ours, NumPy's OpenBLAS, PyTorch (with oneDNN) and XLA are each told by variables of their own, when they
start.  Caches, clocks and memory stay those of the machine, so this shows what the instructions are worth, not
what another machine would do.  YNNPACK, with which XLA multiplies, heeds the processor alone and would go on
with AVX-512 (468 GFLOP/s on two cores whose peak with AVX2 is 256), so XLA does without it here.  On a machine
without AVX-512 nothing is run, and that is said.
"""

import os
import sys

import llvmlite.binding

from cgan_raw.kernels.instructions import AVX512, NAME

#: Whether this process is such a one.
NARROWED = not AVX512 and llvmlite.binding.get_host_cpu_features().get("avx512f", False)

_WIDER = ("avx512", "avx10", "amx")  # how the names of LLVM's features begin that AVX2 is without


def environment() -> dict[str, str]:
    """What the environment of such a process adds to this one's."""
    host = llvmlite.binding.get_host_cpu_features()
    features = {name: has and not name.startswith(_WIDER) for name, has in host.items()}
    xla = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type="
    return {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": ",".join(f"{'+' if has else '-'}{name}" for name, has in features.items()),
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": xla.strip(),
    }


def main(arguments: list[str]) -> None:
    """Replace this process by a Python with narrower vectors that gets the arguments."""
    if not arguments:
        sys.exit("usage: python -m bench.avx2 ARGUMENTS OF PYTHON")
    if not AVX512:
        print(f"nothing to be narrowed: the vectors here are those of {NAME}")
        return
    os.execve(sys.executable, [sys.executable, *arguments], os.environ | environment())


if __name__ == "__main__":
    main(sys.argv[1:])
