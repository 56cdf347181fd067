"""How the CPU kernels are compiled: one decorator for all of them."""

from numba import njit

#: ``error_model="numpy"``: a division by zero gives an infinity, as on a GPU; the test for it, which Python's
#: rules ask for, would keep every loop with a division out of SIMD.
kernel = njit(cache=True, nogil=True, error_model="numpy")

#: A function that only exists inside kernels.
device = njit(inline="always", error_model="numpy")
