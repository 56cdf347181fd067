"""Iterations on the GPU: recorded or not, beside the CPU and the reference, and what they allocate."""

import numpy as np
import pytest
from rounding import ITERATIONS, SEED, TOLERANCE

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration

LONG = 120  # iterations: one by itself, two long graphs and some short ones


def iterate(device, count, start=None, history=128, **how):
    """An Iteration after ``count`` more than ``start`` = (its state, its number), and what repeated it."""
    backend = make_backend(device, **how)
    iteration = Iteration(backend, TrainConfig(seed=SEED), load_training(), history)
    if start is not None:
        iteration.restore(*start)
    run_some, done = backend.repeat(iteration.run), 0
    while done < count:
        done += run_some(count - done)
    assert int(backend.download(iteration.counters)[0]) == count + (start[1] if start else 0)
    return iteration, run_some


def assert_same_state(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in actual.items():
        assert array.tobytes() == expected[name].tobytes(), name


@pytest.mark.parametrize(
    "how", [{}, {"tf32": True}, {"kernels": "numba"}], ids=["float32", "tf32", "numba and cuda, both"]
)
def test_a_recorded_iteration_is_the_iteration(how):
    """Bit for bit; recorded, by CuPy in either language, it runs through the long graph and the short one."""
    iteration, recorder = iterate("gpu", LONG, **how)
    assert set(recorder.graphs) == {1, recorder.LONG}
    recorded, losses = iteration.state(), iteration.read_losses(1, LONG)
    iteration, _ = iterate("gpu", LONG, **how, graph=False)
    assert_same_state(recorded, iteration.state())
    assert losses.tobytes() == iteration.read_losses(1, LONG).tobytes()


def test_resumed_is_never_having_stopped():
    straight = iterate("gpu", LONG)[0].state()
    stopped = iterate("gpu", 63)[0].state()
    assert_same_state(iterate("gpu", LONG - 63, start=(stopped, 63))[0].state(), straight)


def losses(device, count, **how):
    """d_loss and g_loss of each iteration; the accuracy jumps where a logit is near 0."""
    return iterate(device, count, **how)[0].read_losses(1, count)[:, [0, 2]]


@pytest.mark.parametrize("kernels", ["cuda", "numba"])
@pytest.mark.parametrize("graph", [True, False], ids=["graph", "eager"])
def test_the_first_iterations_are_those_of_the_cpu(graph, kernels):
    ratio = losses("gpu", ITERATIONS, graph=graph, kernels=kernels) / losses("cpu", ITERATIONS)
    assert not np.any(~(abs(ratio - 1) <= TOLERANCE)), ratio


def test_the_first_iterations_of_both_languages_numba_and_cuda_are_the_same():
    ratio = losses("gpu", ITERATIONS, kernels="numba") / losses("gpu", ITERATIONS)
    assert not np.any(~(abs(ratio - 1) <= TOLERANCE)), ratio


@pytest.mark.parametrize(("tf32", "tolerance"), [(False, 1e-5), (True, 1e-4)], ids=["float32", "tf32"])
def test_two_iterations_are_those_of_the_reference(tf32, tolerance):
    ratio = losses("gpu", 2, tf32=tf32) / losses("reference", 2)
    assert not np.any(~(abs(ratio - 1) <= tolerance)), ratio


def test_tf32_is_another_computation():
    """Else the two tests above would say nothing about the tensor cores."""
    assert losses("gpu", 2, tf32=True).tobytes() != losses("gpu", 2).tobytes()


def allocations(backend, work):
    """Sizes of all arrays that CuPy makes during ``work()``, and by how much its pool grows."""
    import cupy

    class Listener(cupy.cuda.MemoryHook):
        name = "listener"

        def __init__(self):
            self.sizes = []

        def malloc_preprocess(self, **what):
            self.sizes.append(what["size"])

    pool, listener = cupy.get_default_memory_pool(), Listener()
    before = pool.used_bytes(), pool.total_bytes()
    with listener:
        work()
        backend.stream.synchronize()
    return listener.sizes, (pool.used_bytes() - before[0], pool.total_bytes() - before[1])


@pytest.mark.parametrize("graph", [True, False], ids=["graph", "eager"])
def test_an_iteration_allocates_nothing(graph):
    iteration, run_some = iterate("gpu", LONG, graph=graph)
    assert allocations(iteration.backend, lambda: [run_some(100) for _ in range(4)]) == ([], (0, 0))


def test_an_allocation_would_be_seen():
    """Also one that is given back within the iteration, which leaves the pool as it was."""
    iteration, _ = iterate("gpu", 2, graph=False)
    correct = iteration.ops.tanh_forward
    iteration.ops.tanh_forward = lambda y, x: correct(y, x.copy())
    sizes, _ = allocations(iteration.backend, iteration.run)
    assert sizes
