"""The kernels: one folder an op, one file a backend.  Start reading at ``registry.py``.

The folder lies beside ``cgan_raw/`` in a checkout, but its import name is ``cgan_raw.kernels``: a package
called plain ``kernels`` exists on PyPI, and one module must never be loaded under two names.
"""

if __name__ != "cgan_raw.kernels":
    raise ImportError("this package is imported as cgan_raw.kernels, never as " + __name__)
