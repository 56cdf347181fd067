"""The cores of a host are divided among its ranks."""

import os
import sys

import pytest
from many import end, start

CODE = """
import os, sys
os.environ.pop("NUMBA_NUM_THREADS", None)
os.environ.update(a.split("=") for a in sys.argv[1:])
from cgan_raw.train.distributed import connect
connect("mpi")
import numba
print(numba.config.NUMBA_NUM_THREADS, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for this process's cores")
def test_each_rank_has_its_share_unless_it_is_told(tmp_path):
    cores = len(os.sched_getaffinity(0))
    assert end(start(2, "-c", CODE, cwd=tmp_path)).out.split() == [str(max(1, cores // 2))] * 2
    assert end(start(2, "-c", CODE, f"NUMBA_NUM_THREADS={cores}", cwd=tmp_path)).out.split() == [str(cores)] * 2
