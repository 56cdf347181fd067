"""Training on the emulated GPU: the bytes of ``--device simt``, and of what is asked of the GPU, nothing wrong.

Both run the same kernels by the same executor, so whatever differs is the GPU path's.
"""

from commands import assert_refused
from emulated_runs import FLAGS, GPU, NO_POOL, OFTEN, SHORT, run


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    assert [name for name in expected if actual[name] != expected[name]] == []


def test_a_recorded_run_is_that_of_simt(graph_run, expected):
    assert_same(graph_run.files(), expected)
    assert [line[0] for line in expected["losses"]] == [3, 6]


def test_it_says_that_the_gpu_was_emulated(graph_run):
    assert "device      gpu: emulated GPU" in graph_run.outcome.out


def test_it_runs_through_the_long_graph_and_the_short_one(graph_run):
    """1 + 2 iterations up to the pause after the third, then 2 + 1."""
    one = min(map(int, graph_run.of("launch")))
    assert [int(n) for n in graph_run.of("launch")] == [2 * one, 2 * one, one]


def test_a_run_kernel_by_kernel_is_that_of_simt(eager_run, expected):
    assert eager_run.of("launch") == []
    assert_same(eager_run.files(), expected)


def test_nothing_is_out_of_order(graph_run, eager_run):
    graph_run.assert_in_order()
    eager_run.assert_in_order()


def test_a_resumed_run_is_never_having_stopped(tmp_path, expected):
    """On the device that ``auto`` chooses, and without CuPy's pool, so that a use after the end is seen."""
    first = run(tmp_path, "train", *GPU, *FLAGS, *OFTEN, "--iterations", 3, before=NO_POOL)
    first.assert_in_order()
    second = run(tmp_path, "train", "--resume", "run", "--iterations", 6, before=SHORT + NO_POOL)
    assert "device      gpu: emulated GPU" in second.outcome.out
    assert len(second.of("launch")) == 1
    second.assert_in_order()
    assert_same(second.files(), expected)


def test_too_little_memory_is_said_in_one_line(tmp_path):
    limit = 'import os\nos.environ["CUPY_GPU_MEMORY_LIMIT"] = str(64 * 2**20)\n'
    result = run(tmp_path, "train", *GPU, *FLAGS, "--quiet", before=limit, code=2)
    assert_refused(result.outcome, "--device gpu", "Out of memory", "--batch-size")


# ---- a defect is found ---------------------------------------------------------------------------------------

#: Reads by CuPy's current stream, which was set once.
BY_CURRENT_STREAM = """
from cgan_raw.devices import gpu
make = gpu.CudaBackend.repeat

def use_and_make(self, run):
    self.stream.use()
    return make(self, run)

gpu.CudaBackend.repeat = use_and_make
gpu.CudaBackend.download = lambda self, array: array.get()
"""
#: The end of a block makes the null stream the current one, whatever it was before.
BLOCK = """
from cgan_raw.kernels.gpu import Recorder
call = Recorder.__call__

def call_in_block(self, most):
    with self.stream:
        return call(self, most)

Recorder.__call__ = call_in_block
"""


def test_reading_by_the_current_stream_is_found(tmp_path):
    """Each is right by itself; together they read what nobody has waited for."""
    flags = (*GPU, *FLAGS, "--iterations", 2, "--log-every", 1)
    (tmp_path / "right").mkdir()
    right = run(tmp_path / "right", "train", *flags, before=BY_CURRENT_STREAM)
    wrong = run(tmp_path, "train", *flags, before=BY_CURRENT_STREAM + BLOCK)
    right.assert_in_order()
    assert all(d_loss > 0 and g_loss > 0 for _, d_loss, _, g_loss in right.files()["losses"])
    assert wrong.files()["losses"] == [(1, 0, 0, 0), (2, 0, 0, 0)]
    assert any(" at cgan_raw/" in line or " at <string>" in line for line in wrong.of("null"))
