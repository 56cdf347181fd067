"""What each op must do beside agreeing with the reference: values known beforehand, moments and invariants.

A check takes ``run``, which calls one implementation: ``run(x=..., slope=0.2, C=5)`` draws what is not given
and returns the destinations.  It raises AssertionError, so that a broken kernel can be shown to be rejected.
"""

from . import draws, elementwise, products, sums  # noqa: F401 - each lists its own in CHECKS
from .checking import CHECKS, LARGE, SMALL_SHAPES, runner

__all__ = ["CHECKS", "LARGE", "SMALL_SHAPES", "runner"]
