"""The Numba CUDA kernels as a whole: an iteration on them is an iteration on the reference."""

import numpy as np
import pytest

from cgan_raw import models
from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.backend import Backend
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration
from cgan_raw.kernels.dispatch import Modules, table
from cgan_raw.kernels.launch import NumbaModule
from cgan_raw.kernels.simt.interpreter import Executor


def interpreted():
    return Backend("interpreter", "Numba CUDA, as Python", np.dtype(np.float32), table(Executor()))


@pytest.fixture
def narrow(monkeypatch):
    """Networks of a few units a layer: Python runs each thread."""
    monkeypatch.setattr(models, "GENERATOR_WIDTHS", (5, 4, 6))
    monkeypatch.setattr(models, "DISCRIMINATOR_WIDTHS", (4, 5, 3))


def test_an_iteration_is_that_of_the_reference(narrow):
    config, data = TrainConfig(seed=7, batch_size=3), load_training()
    runs = [Iteration(backend, config, data, 1) for backend in (interpreted(), make_backend("reference"))]
    for run in runs:
        run.run()
    losses, expected = (run.read_losses(1, 1)[:, [0, 2]] for run in runs)
    assert not np.any(~(abs(losses / expected - 1) <= 1e-6))
    states = [run.state() for run in runs]
    for name, array in states[1].items():
        if not name.startswith("adam."):
            assert not np.any(~(abs(states[0][name] - array) <= 2e-6)), name


@pytest.mark.parametrize(("rows", "version"), [(32, "split_k"), (33, "register_tiled")])
def test_the_table_launches_the_best_version_that_numba_has(monkeypatch, rows, version):
    launched = []
    monkeypatch.setattr(NumbaModule, "launch", lambda self, name, *rest: launched.append(name))
    x, w, y, b = (np.zeros(shape, np.float32) for shape in ((rows, 8), (8, 40), (rows, 40), (40,)))
    interpreted().ops.dense_forward(y, x, w, b)
    assert launched == [f"dense_forward_{version}"]


def test_modules_are_loaded_once():
    modules = Modules(Executor())
    assert modules("cgan_raw.kernels.adam") is modules("cgan_raw.kernels.adam")
