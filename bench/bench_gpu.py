"""Says once why nothing is timed on a GPU where there is none; elsewhere every table has the GPU's rows."""

import pytest

from cgan_raw.devices import gpu

from .device import places
from .kernels import backends

_WITHOUT = (
    {", ".join([*backends("gpu"), "iterations"]): gpu.fault()} if gpu.fault() else places()["gpu"].missing
)

if _WITHOUT:

    @pytest.mark.skip(reason="; ".join(f"{names}: {reason}" for names, reason in _WITHOUT.items()))
    def test_on_a_gpu(benchmark):
        pass
