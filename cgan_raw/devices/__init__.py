"""What a backend is, the choice of one by --device, and the GPU's."""

#: What --device and --kernels can be.
DEVICES = ("auto", "cpu", "gpu", "simt")
KERNELS = ("cuda", "numba")
