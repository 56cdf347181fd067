"""The training command on the GPU: the same bytes from two processes, going on, memory that is too small."""

import pytest
from commands import ENVIRONMENT, assert_refused, outcome, start

pytestmark = pytest.mark.usefixtures("command")

#: Nothing is due before the end, so that iterations run through the long graph.
SELDOM = ("--log-every", 1000, "--sample-every", 1000, "--checkpoint-every", 1000)


def train(folder, *arguments):
    """The outcome of a training run as a process of its own."""
    flags = ("-m", "cgan_raw.train", "--device", "gpu", "--quiet")
    return outcome(start(*flags, *arguments, cwd=folder))


def checkpoint(folder, *arguments):
    """The bytes of the checkpoint that such a run leaves."""
    result = train(folder, *arguments)
    assert (result.code, result.out) == (0, ""), result
    return (folder / "run" / "checkpoint.safetensors").read_bytes()


@pytest.fixture
def folders(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.mkdir()
    return paths


@pytest.mark.parametrize("tf32", [(), ("--tf32",)], ids=["float32", "tf32"])
def test_two_processes_and_eager_launches_end_with_the_same_bytes(folders, tf32):
    flags = (*tf32, "--seed", 7, "--iterations", 120, *SELDOM, "--out", "run")
    first, second = (checkpoint(folder, *flags) for folder in folders[:2])
    assert first == second
    assert first == checkpoint(folders[2], *flags, "--no-graph")


def test_two_processes_with_numba_kernels_end_with_the_same_bytes(folders):
    flags = ("--kernels", "numba", "--seed", 7, "--iterations", 120, *SELDOM, "--out", "run")
    first, second = (checkpoint(folder, *flags) for folder in folders[:2])
    assert first == second
    assert first == checkpoint(folders[2], *flags, "--no-graph")


def test_a_resumed_run_ends_with_the_same_bytes(folders):
    straight = checkpoint(folders[0], "--iterations", 120, *SELDOM, "--out", "run")
    checkpoint(folders[1], "--iterations", 63, *SELDOM, "--out", "run")
    assert checkpoint(folders[1], "--resume", "run", "--iterations", 120) == straight


def test_too_little_memory_is_said_in_one_line(tmp_path, monkeypatch):
    """The weights do not fit beside the images."""
    monkeypatch.setitem(ENVIRONMENT, "CUPY_GPU_MEMORY_LIMIT", str(64 * 2**20))
    result = train(tmp_path, "--iterations", 1, "--out", "run")
    assert_refused(result, "--device gpu", "Out of memory", "--batch-size")


def test_gpu_is_what_auto_chooses(tmp_path):
    result = outcome(start("-m", "cgan_raw.train", "--iterations", 1, "--out", "run", cwd=tmp_path))
    assert result.code == 0, result
    assert "\ndevice      gpu: " in result.out
