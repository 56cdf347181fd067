"""The fused CUDA C++ as a whole: an iteration of it is a layered one, op by op, to rounding."""

import numpy as np
import pytest

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.fused_iteration import FusedIteration
from cgan_raw.iteration import Iteration

#: Of a weight or a moment: a twentieth of Adam's step.  Most differ by less than 1e-6; where a gradient is
#: little more than rounding, Adam makes a step of it all the same.
TOLERANCE = 1e-5


def runs(model, batch):
    config, data = TrainConfig(model=model, seed=4, batch_size=batch), load_training()
    return Iteration(make_backend("cpu"), config, data, 8), FusedIteration(
        make_backend("simt"), config, data, 8
    )


def assert_alike(layered, fused, iteration):
    losses, expected = (run.read_losses(iteration, iteration) for run in (fused, layered))
    assert not np.any(~(np.abs(losses - expected) <= 1e-6))
    found = fused.state()
    for name, array in layered.state().items():
        assert not np.any(~(np.abs(found[name] - array) <= TOLERANCE)), name


@pytest.mark.parametrize(("model", "batch", "iterations"), [("cgan", 4, 3), ("gan", 8, 2), ("cgan", 33, 1)])
def test_each_iteration_is_the_layered_one(model, batch, iterations):
    """From the same state: in longer runs an activation comes to lie on the other side of its kink."""
    layered, fused = runs(model, batch)
    for done in range(iterations):
        fused.restore(layered.state(), done)
        layered.run()
        fused.run()
        assert_alike(layered, fused, done + 1)


def test_a_defect_is_seen():
    layered, fused = runs("cgan", 2)
    correct = fused.ops.fused_train_leaky_relu
    fused.ops.fused_train_leaky_relu = lambda *arguments: (correct(*arguments), arguments[4].fill(0))
    layered.run()
    fused.run()
    with pytest.raises(AssertionError):
        assert_alike(layered, fused, 1)
