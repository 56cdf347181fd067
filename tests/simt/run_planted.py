"""Runs kernels of ``planted.cu`` with or without their bug: ``run_planted.py 0|1 kernel...``."""

import sys
from pathlib import Path

import numpy as np

from cgan_raw.kernels import simt
from cgan_raw.kernels.launch import Module

THREADS = 32
BLOCKS = {"blocks_collide": 4, "dropped_grid_barrier": 4, "last_block_sums": 4}

broken, *kernels = sys.argv[1:]
module = Module(Path(__file__).with_name("planted.cu"), simt.Executor())
for kernel in kernels or module.parameters:
    threads = 2 * THREADS if kernel == "dropped_barrier_between_warps" else THREADS
    module.launch(
        kernel,
        BLOCKS.get(kernel, 1),
        threads,
        [np.zeros(THREADS, np.float32), THREADS, int(broken)],
        shared=4 * THREADS,
        cooperative=kernel == "dropped_grid_barrier",
    )
print("done")
