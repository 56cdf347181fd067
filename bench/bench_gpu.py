"""Says once why nothing is timed on a GPU where there is none; elsewhere every table has the GPU's rows."""

import pytest

from .device import gpu_fault, places
from .kernels import backends

_WITHOUT = (
    {", ".join([*backends("gpu"), "iterations"]): gpu_fault()} if gpu_fault() else places()["gpu"].missing
)

if _WITHOUT:

    @pytest.mark.skip(reason="; ".join(f"{names}: {reason}" for names, reason in _WITHOUT.items()))
    def test_on_a_gpu(benchmark):
        pass
