"""The vectors that the CPU's kernels are compiled for: the machine's, or what NUMBA_CPU_FEATURES says."""

import platform

import llvmlite.binding
from numba.core import config

_ASKED_FOR = config.CPU_FEATURES  # pyright: ignore[reportAttributeAccessIssue]
_FEATURES = (_ASKED_FOR or llvmlite.binding.get_host_cpu_features().flatten()).split(",")

#: Whether a vector has sixteen float32; else it has eight, or is put together from several.
AVX512 = "+avx512f" in _FEATURES

#: As reports call it.
NAME = "AVX-512" if AVX512 else "AVX2" if "+avx2" in _FEATURES else platform.machine()
