"""Some GPUs by their published figures, and how many blocks of a kernel fit on one of their multiprocessors.

Sources
-------
Multiprocessors, clocks (boost), TF32 rates (dense) and bandwidths: NVIDIA's data sheets of H200, A100 and T4,
and its white papers on the architectures A100, Hopper and Ada.  Of A100 and T4 only copies of these could be
compared, and what follows from their figures:

- lanes by clock make 19.5 TFLOP/s of an A100 and 8.1 of a T4, as published;
- a T4 tells (deviceQuery) of 40 multiprocessors, 1.59 GHz, and 256 bits at 2 x 5.001 GHz: 320 GB/s.

Derived, and published nowhere:

- the clock of the H200, an H100 with other memory: the one that makes the 67 TFLOP/s of its data sheet;
- TF32 multiply-adds per clock: the rate by multiprocessors and clock; the A100's 156 TFLOP/s make 512.  The
  H100's 495 make 1024 at a clock of 1.83 GHz, so that at 1.98 the H200's least time is 8 % too short.

Bytes per clock from L1 and shared memory: white paper on the Ampere architecture GA102, for Turing and since.
Lanes, warps, blocks and shared memory of a multiprocessor: CUDA C++ Programming Guide, "Compute Capabilities".
How registers and shared memory are given out: ``cuda_occupancy.h`` of the CUDA toolkit 13.0, with whose results
those of :meth:`Gpu.residency` were compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

WARP = 32  # lanes

_REGISTERS = 65536  # of a multiprocessor
_REGISTER_UNIT = 256  # a warp is given a multiple of it
_PARTITIONS = 4  # of a multiprocessor; a warp has its registers in one
_KB = 1024

#: Clocks from a load to its value, out of the L2 cache at best.  Measured were 188 on a T4 (Jia et al. 2019,
#: arXiv:1903.07486) and more on all later GPUs.
LATENCY = 180


class Residency(NamedTuple):
    """Blocks and warps that one multiprocessor holds at a time, and what there are no more of."""

    blocks: int
    warps: int
    limit: str


@dataclass(frozen=True)
class Gpu:
    """A GPU by its published figures.

    Parameters
    ----------
    title : its name, for people.
    compiled : the architecture in ptxas.json whose machine code it runs.
    multiprocessors, clock : how many, and Hz.
    lanes : float32 multiply-adds of a multiprocessor per clock.
    tensor : TF32 multiply-adds of its tensor cores per clock; 0 where they have no TF32.
    bandwidth : of its memory, bytes per second.
    data_path : bytes per clock between a multiprocessor's lanes and its L1 cache and shared memory together.
    warps, blocks, shared : the most that a multiprocessor holds; bytes of shared memory.
    shared_unit, reserved : a block is given a multiple of bytes, among them some for the system.
    """

    title: str
    compiled: str
    multiprocessors: int
    clock: float
    lanes: int
    tensor: int
    bandwidth: float
    warps: int
    blocks: int
    shared: int
    data_path: int = 128
    shared_unit: int = 128
    reserved: int = _KB

    def residency(self, threads: int, registers: int, shared: int) -> Residency:
        """How many blocks fit on a multiprocessor.

        Parameters
        ----------
        threads : of a block.
        registers : of a thread.
        shared : bytes of shared memory that a block declares.
        """
        warps = -(-threads // WARP)
        warp_registers = _up(registers * WARP, _REGISTER_UNIT)
        by = {
            "warps": self.warps // warps,
            "blocks": self.blocks,
            "registers": _REGISTERS // _PARTITIONS // warp_registers * _PARTITIONS // warps,
            "shared memory": self.shared // max(_up(shared + self.reserved, self.shared_unit), 1),
        }
        limit = min(by, key=lambda what: by[what])
        return Residency(by[limit], by[limit] * warps, limit)


def _up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


GPUS = {
    "h200": Gpu("H200 SXM", "sm_90", 132, 1.98e9, 128, 1024, 4.8e12, 64, 32, 228 * _KB),
    "a100": Gpu("A100 SXM4 80 GB", "sm_80", 108, 1.41e9, 64, 512, 2.039e12, 64, 32, 164 * _KB),
    # No code is compiled for 8.9; it runs that for 8.0.
    "rtx4090": Gpu("GeForce RTX 4090", "sm_80", 128, 2.52e9, 128, 128, 1.008e12, 48, 24, 100 * _KB),
    "t4": Gpu("T4", "sm_75", 40, 1.59e9, 64, 0, 3.2e11, 32, 16, 64 * _KB, 64, 256, 0),
}
DEFAULT = "h200"
