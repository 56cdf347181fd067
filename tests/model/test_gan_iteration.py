"""A plain GAN is the conditional one without its embeddings: the same tensors, streams and iteration."""

import dataclasses

import independent
import numpy as np
import pytest
import short_runs

from cgan_raw.config import TrainConfig
from cgan_raw.data import Dataset
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration
from cgan_raw.models import checkpoint_shapes, tensors

SEED, BATCH, ITERATIONS = 7, 16, 3
TOLERANCE = {"reference": 1e-9, "cpu": 2e-5}


def make_iteration(backend="cpu", dataset=None):
    config = TrainConfig(model="gan", seed=SEED, batch_size=BATCH)
    return Iteration(make_backend(backend), config, dataset or short_runs.dataset(), history=16)


def without_embeddings(named):
    return {name: value for name, value in named.items() if "embedding" not in name}


@pytest.fixture(scope="module")
def expected():
    """The conditional GAN with embeddings of ones, which stay as they are: state and losses."""
    state, data = independent.initial_state(SEED), short_runs.dataset()
    for name in ("generator.embedding.weight", "discriminator.embedding.weight"):
        state[name] = np.ones_like(state[name])
    with pytest.MonkeyPatch.context() as patch:
        adam = independent.adam
        patch.setattr(independent, "adam", lambda s, g, t: adam(s, without_embeddings(g), t))
        losses = [
            independent.iterate(state, data.images, data.labels, BATCH, i + 1, SEED) for i in range(ITERATIONS)
        ]
    return without_embeddings(state), np.array(losses)


@pytest.mark.parametrize("backend", TOLERANCE)
def test_agrees_with_a_cgan_whose_embeddings_are_ones(backend, expected):
    iteration = short_runs.run(make_iteration(backend), ITERATIONS)
    state, losses = expected
    named = dict(iteration._named())
    assert set(named) == set(state)
    for name, array in named.items():
        np.testing.assert_allclose(array, state[name], rtol=0, atol=TOLERANCE[backend], err_msg=name)
    np.testing.assert_allclose(iteration.read_losses(1, ITERATIONS), losses, rtol=1e-4)


def test_tensors_are_those_of_a_cgan_but_for_the_embeddings():
    assert checkpoint_shapes("gan") == without_embeddings(checkpoint_shapes())
    sizes = {
        network: sum(np.prod(t.shape) for t in tensors(network, "gan").values())
        for network in ("generator", "discriminator")
    }
    assert sizes == {"generator": 1_494_520 - 1_000, "discriminator": 935_585 - 7_840}


def test_starts_from_the_values_of_a_cgan():
    conditional = without_embeddings(short_runs.make_iteration("cpu", SEED, BATCH).state())
    state = make_iteration().state()
    assert state.keys() == conditional.keys()
    assert all(np.array_equal(state[name], array) for name, array in conditional.items())


def test_labels_have_no_say():
    data = short_runs.dataset()
    others = Dataset(data.images, (data.labels + 1) % 10)
    one, other = (short_runs.run(make_iteration(dataset=d), 2).state() for d in (data, others))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_labels_have_a_say_in_a_cgan():
    """Else the test above could not fail."""
    data, config = short_runs.dataset(), TrainConfig(seed=SEED, batch_size=BATCH)
    assert dataclasses.replace(config, model="cgan") == config
    runs = (Dataset(data.images, (data.labels + shift) % 10) for shift in (0, 1))
    one, other = (short_runs.run(Iteration(make_backend("cpu"), config, d, 16), 1).state() for d in runs)
    assert not all(np.array_equal(one[name], other[name]) for name in one)


def test_same_bytes_after_a_restart():
    straight, stopped = (short_runs.run(make_iteration(), count) for count in (4, 2))
    resumed = make_iteration()
    resumed.restore(stopped.state(), 2)
    short_runs.run(resumed, 2)
    state = straight.state()
    assert all(np.array_equal(array, state[name]) for name, array in resumed.state().items())
