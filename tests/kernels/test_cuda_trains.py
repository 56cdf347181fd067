"""The CUDA C++ as a whole: training on it is training on the reference."""

import numpy as np
import pytest

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration
from cgan_raw.kernels.launch import Module


def test_two_iterations_are_those_of_the_reference():
    config, data = TrainConfig(seed=7, batch_size=32), load_training()
    runs = [Iteration(make_backend(device), config, data, 2) for device in ("simt", "reference")]
    for run in runs:
        run.run()
        run.run()
    losses, expected = (run.read_losses(1, 2)[:, [0, 2]] for run in runs)
    assert not np.any(~(abs(losses / expected - 1) <= 1e-6))
    states = [run.state() for run in runs]
    for name, array in states[1].items():
        if not name.startswith("adam."):
            assert not np.any(~(abs(states[0][name] - array) <= 2e-6)), name


@pytest.mark.parametrize("tf32", [False, True], ids=["float32", "tf32"])
@pytest.mark.parametrize(("rows", "version"), [(32, "split_k"), (33, "vectorised")])
def test_the_table_launches_the_version_of_the_contract(monkeypatch, rows, version, tf32):
    launched = []
    monkeypatch.setattr(Module, "launch", lambda self, name, *rest: launched.append(name))
    x, w, y, b = (np.zeros(shape, np.float32) for shape in ((rows, 8), (8, 40), (rows, 40), (40,)))
    make_backend("simt", tf32=tf32).ops.dense_forward(y, x, w, b)
    assert launched == ["dense_forward_" + ("tensor_core" if tf32 else version)]


@pytest.mark.parametrize("tf32", [False, True], ids=["float32", "tf32"])
def test_fused_ops_multiply_as_they_are_told(monkeypatch, tf32):
    launched = []
    monkeypatch.setattr(Module, "launch", lambda self, name, *rest: launched.append(name))
    dx, dy, w, x = (np.zeros(shape, np.float32) for shape in ((9, 8), (9, 40), (8, 40), (9, 8)))
    make_backend("simt", tf32=tf32).ops.fused_backward_leaky_relu(dx, dy, w, x, 0.2)
    assert launched == ["fused_backward_leaky_relu" + "_tensor_core" * tf32]
