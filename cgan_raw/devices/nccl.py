"""Ranks that have a GPU each and add up by NCCL, on the backend's stream, where a CUDA graph can record it."""

from __future__ import annotations

import gc
import importlib.util
import os

from ..console.installing import how_to_install
from ..errors import InputError, explain
from ..ranks import Mpi
from .gpu import CudaBackend
from .gpu_extra import gpu_extra

_MEAN = 4  # ncclAvg in nccl.h, which CuPy has no name for
_SHARE = "NCCL_MULTI_RANK_GPU_ENABLE"  # NCCL's own, from 2.30 on


class Nccl(Mpi):
    """They find each other, and agree on the host, by MPI."""

    flag, devices = "nccl", ("gpu",)
    _communicator_of_gpus = None

    def device(self, asked):
        """And make a GPU of its own this process's; one that lacks something says so when it is used."""
        device = super().device(asked)
        own = self._choose_gpu()
        number, all_here = self.on_this_host(own)
        if own is not None and all_here.index(own) < number and not os.environ.get(_SHARE):
            raise InputError(
                f"--distributed nccl: {len(all_here)} ranks of this host share {len(set(all_here))} GPUs; "
                f"each takes one of its own, unless {_SHARE} is 1"
            )
        return device

    def _choose_gpu(self) -> str | None:
        """The bus address of the GPU that is now the current one; None without any."""
        number, _ = self.on_this_host(None)
        if importlib.util.find_spec("cupy") is None:
            return None
        try:
            import cupy

            gpu = cupy.cuda.Device(number % cupy.cuda.runtime.getDeviceCount())
            gpu.use()
            return gpu.pci_bus_id
        except Exception:  # errors of the driver: their classes are only there if the package loads
            return None

    def distribute(self, backend):
        if not isinstance(backend, CudaBackend):
            raise InputError("--distributed nccl is for --kernels cuda")
        if self.size == 1:
            return backend
        from cupy.cuda import nccl

        if not nccl.available:
            raise InputError(f"--distributed nccl: CuPy finds no NCCL ({how_to_install(_extra())})")
        self._type, self._stream = nccl.NCCL_FLOAT32, backend.stream.ptr
        try:
            name = self.share(nccl.get_unique_id() if self.rank == 0 else None)
            self._communicator_of_gpus = nccl.NcclCommunicator(self.size, name, self.rank)
        except nccl.NcclError as error:
            raise InputError(f"--distributed nccl: {explain(error)}") from None
        return super().distribute(backend)

    def ranks_mean(self, x):
        self._communicator_of_gpus.allReduce(x.data.ptr, x.data.ptr, x.size, self._type, _MEAN, self._stream)

    def ranks_gather(self, y, x):
        self._communicator_of_gpus.allGather(x.data.ptr, y.data.ptr, x.size, self._type, self._stream)

    def close(self):
        gc.collect()  # graphs that nobody has any more
        if self._communicator_of_gpus is not None:
            self._communicator_of_gpus.destroy()


def _extra() -> str:
    """That which brings NCCL."""
    return "nccl-cu12" if gpu_extra() == "cu12" else "nccl-cu13"
