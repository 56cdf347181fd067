"""What ranks refuse, and what goes wrong in one or in all of them, is said once and ends all."""

import time

import pytest
from commands import assert_failed, assert_refused
from many import TRAIN, end, start, train

#: The command, in which the second rank fails in its third iteration.
ONE_FAILS = """
import os, sys
from cgan_raw.iteration import Iteration
from cgan_raw.train.__main__ import main
run, count = Iteration.run, [0]
def run_or_fail(self):
    count[0] += 1
    if count[0] == 3 and os.environ["PMI_RANK"] == "1":
        raise MemoryError("planted")
    run(self)
Iteration.run = run_or_fail
from cgan_raw.devices.choice import CpuBackend
from cgan_raw.devices.backend import Backend
CpuBackend.repeat = Backend.repeat
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (("--batch-size", 3), ("--batch-size 3", "2 ranks")),
        (("--device", "gpu"), ("--distributed mpi", "cpu and simt", "gpu")),
        (("--distributed", "nccl", "--device", "cpu"), ("--distributed nccl", "gpu", "cpu")),
        (("--out", "."), ("holds a run",)),
    ],
    ids=["uneven", "mpi on a GPU", "nccl on a CPU", "taken"],
)
def test_is_refused_in_one_line(flags, names, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert_refused(train(2, "--batch-size", 4, "--out", "run", *flags, cwd=tmp_path), *names)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_processes_that_do_not_know_of_each_other_are_refused(tmp_path):
    result = end(start(2, "-m", "cgan_raw.train", "--out", "run", cwd=tmp_path))
    assert_refused(result, "PMI_SIZE", "2 processes", "--distributed")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_flag_is_said_once(tmp_path):
    result = train(2, "--batch-size", "many", cwd=tmp_path)
    assert result.code == 2
    assert result.err.count("error: argument --batch-size") == 1


def test_a_rank_that_fails_ends_all(tmp_path):
    begun = time.monotonic()
    flags = (*TRAIN[2:], "--batch-size", 4, "--iterations", 1_000_000, "--quiet", "--out", "run")
    result = end(start(2, "-c", ONE_FAILS, *flags, cwd=tmp_path))
    assert_failed(result, "not enough memory: planted")
    assert time.monotonic() - begun < 30
