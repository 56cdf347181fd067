"""cgan_raw: a conditional GAN on MNIST in which every kernel is written by hand."""

from pathlib import Path

__version__ = "0.1.0"

# In a checkout the kernels lie beside this package, so that a reader finds them at the top; installed, inside
# it. Either way they are imported as cgan_raw.kernels.
_here = Path(__file__).resolve().parent
if not (_here / "kernels").is_dir():
    __path__.append(str(_here.parent))
