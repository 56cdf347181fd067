"""The kernels: one folder per op, one file per backend.  Start reading at ``activation/cuda.cu``.

The folder lies beside ``cgan_raw/`` in a checkout, but its import name is ``cgan_raw.kernels``: a package
called plain ``kernels`` exists on PyPI, and one module must never be loaded under two names.
"""

from pathlib import Path

if __name__ != "cgan_raw.kernels":
    raise ImportError("this package is imported as cgan_raw.kernels, never as " + __name__)

# In a checkout cgan_raw/kernels is a link to this folder.  Modules have the paths that they have here, whether
# or not it was used, so that a debugger stops where a reader of this folder tells it to.
__path__ = [str(Path(__file__).parent.resolve())]
