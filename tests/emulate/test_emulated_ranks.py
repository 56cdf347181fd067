"""Two ranks on emulated GPUs add up by NCCL: its calls in their order, and the bytes of two by SIMT and MPI."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ENVIRONMENT, Outcome, losses
from emulated_gpu import report
from emulated_runs import SHORT

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
FLAGS = ("--batch-size", 4, "--seed", 0, "--iterations", 6, "--log-every", 3, "--out", "run", "--quiet")
PATIENCE = 300  # seconds

#: While the host waits for other ranks, a GPU goes on; this one would not.
TOGETHER = """
import os, sys
os.environ["EMULATED_GPU_REPORT"] += os.environ["PMI_RANK"]
from emulated_gpu.device import STREAMS
from cgan_raw.ranks import Mpi
agree = Mpi.agree

def work_and_agree(self, number):
    STREAMS.drain()
    return agree(self, number)

Mpi.agree = work_and_agree
from cgan_raw.train.__main__ import main
"""
MAIN = "sys.exit(main())"


def train(folder: Path, *flags: object, before: str = "", shares: bool = True) -> tuple[Outcome, list[list]]:
    """Two ranks to their end, and what each has reported."""
    folder.mkdir()
    environment = ENVIRONMENT | {report.VARIABLE: str(folder / "report"), "NUMBA_NUM_THREADS": "1"}
    if shares:
        environment["NCCL_MULTI_RANK_GPU_ENABLE"] = "1"
    code = SHORT + TOGETHER + before + MAIN
    command = [MPIEXEC, "-n", 2, sys.executable, "-c", code, *flags, *FLAGS]
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    told = [report.read(folder / f"report{rank}") for rank in range(2)]
    return Outcome(done.returncode, done.stdout, done.stderr), told


@pytest.fixture(scope="module")
def by_nccl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks") / "nccl"
    return folder, *train(folder, "--distributed", "nccl")


def test_it_is_the_run_of_two_ranks_by_simt(by_nccl, tmp_path):
    folder, result, told = by_nccl
    assert (result.code, result.out, result.err) == (0, "", "")
    assert [line for one in told for line in one if line[0] in ("problem", "refused", "null")] == []
    expected, _ = train(tmp_path / "simt", "--distributed", "mpi", "--device", "simt")
    assert expected.code == 0
    assert losses(folder / "run") == losses(tmp_path / "simt" / "run")
    found, by_mpi = ((f / "run" / "checkpoint.safetensors").read_bytes() for f in (folder, tmp_path / "simt"))
    assert found == by_mpi


def test_what_is_added_up_and_in_which_order(by_nccl):
    """By each rank: eager once, then recorded in the graph of two iterations, then in that of one.

    Networks have 935,585 and 1,490,936 parameters, and some room between them.
    """
    d, g = "allReduce 935616", "allReduce 1490976"
    norms = [2 * width for width in (256, 512, 1024)]
    forward, backward = [f"allGather {n}" for n in norms], [f"allReduce {n}" for n in reversed(norms)]
    one = [d, d, *forward, *backward, g]
    for told in by_nccl[2]:
        assert [text for kind, text in told if kind == "nccl"] == [*(4 * one), "destroy"]


def test_a_graph_that_outlives_its_communicator_is_found(tmp_path):
    keep = "from cgan_raw.train import trainer\nkept = []\ninit = trainer.Trainer.__init__\n"
    keep += "trainer.Trainer.__init__ = lambda self, *a: (init(self, *a), kept.append(self.run_some))[0]\n"
    _, told = train(tmp_path / "kept", "--distributed", "nccl", before=keep)
    assert any("held by a graph" in text for kind, text in told[0] if kind == "problem")


def test_ranks_that_share_a_gpu_are_refused(tmp_path):
    result, _ = train(tmp_path / "shared", "--distributed", "nccl", shares=False)
    assert result.code == 2
    assert "2 ranks of this host share 1 GPUs" in result.err
    assert result.err.count("\n") == 1
