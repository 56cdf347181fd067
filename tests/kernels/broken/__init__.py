"""Kernels with one planted defect each, for the proof that the checks can fail.

``defects(op)`` lists them: those that any op can have (``generic``), and those of its own, which stand in the
other files.  Each is the reference with a mistake that somebody could make; its docstring says which.
"""

from . import draws, elementwise, generic, products, sums  # noqa: F401 - each lists its own in OWN
from .breaking import OWN


def defects(op):
    """An op's kernels with a defect."""
    return generic.defects(op) + OWN.get(op.name, [])
