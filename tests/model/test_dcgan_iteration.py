"""The conditional DCGAN agrees with an implementation of its definition that shares no code with it."""

from functools import cache

import independent_dcgan
import numpy as np
import pytest
import short_runs

from cgan_raw.layers import LeakyReLU, Mode
from cgan_raw.models import tensors

ITERATIONS = 5

#: Seed and batch size.  No unit comes so close to a kink in this run that two roundings fall on either side
#: of it, which would show in weights; of the millions of units of 32 images and five iterations a few do.
RUN = (1, 4)
TOLERANCE = {"reference": 1e-9, "cpu": 2e-5, "simt": 2e-5}


@cache
def expected(iterations=ITERATIONS):
    seed, batch = RUN
    state, data = independent_dcgan.initial_state(seed), short_runs.dataset()
    losses = [
        independent_dcgan.iterate(state, data.images, data.labels, batch, i + 1, seed)
        for i in range(iterations)
    ]
    return state, np.array(losses)


def make_iteration(backend="cpu"):
    return short_runs.make_iteration(backend, *RUN, model="dcgan")


def assert_agrees(iteration, tolerance):
    short_runs.run(iteration, ITERATIONS)
    state, losses = expected()
    named = dict(iteration._named())  # the live arrays, not state(), which rounds to float32
    assert set(named) == set(state)
    for name, array in named.items():
        assert array.shape == state[name].shape, name
        assert not np.any(~(np.abs(array - state[name]) <= tolerance)), name
    actual = iteration.read_losses(1, ITERATIONS)
    assert not np.any(~(np.abs(actual - losses) <= 1e-4 * np.abs(losses)))


@pytest.mark.parametrize("backend", TOLERANCE)
def test_agrees(backend):
    assert_agrees(make_iteration(backend), TOLERANCE[backend])


@pytest.mark.parametrize("backend", TOLERANCE)
def test_starts_alike(backend):
    state, _ = expected(iterations=0)
    for name, array in make_iteration(backend).state().items():
        np.testing.assert_allclose(array, state[name], rtol=1e-5, atol=1e-8, err_msg=name)


def leaky_instead_of_relu(it):
    for layer in it.generator.layers:
        if isinstance(layer, LeakyReLU):
            layer.slope = 0.2


def weights_transposed(it):
    """The taps of transposed convolutions are the wrong way round."""
    correct = it.ops.convolution_backward_input
    it.ops.convolution_backward_input = lambda dx, dy, w, stride, padding: correct(
        dx, dy, np.ascontiguousarray(w.swapaxes(0, 1)), stride, padding
    )


def bias_forgotten(it):
    it.ops.bias_add = lambda y, b: None


def frozen_statistics(it):
    """The discriminator normalises by moving statistics when the generator is trained."""
    layer = next(layer for layer in it.discriminator.layers if layer.name == "batchnorm0")
    correct = layer.forward
    frozen = Mode(it.wanted, training=False)
    layer.forward = lambda x, mode: correct(x, frozen if mode is it.on_wanted else mode)


def moving_statistics_for_fakes(it):
    it.to_show = Mode(it.y, training=False)


@pytest.mark.parametrize(
    "defect",
    [
        leaky_instead_of_relu,
        weights_transposed,
        bias_forgotten,
        frozen_statistics,
        short_runs.variance_is_a_constant,
        short_runs.moving_statistics_stay,
        moving_statistics_for_fakes,
    ],
)
def test_rejects(defect):
    iteration = make_iteration()
    defect(iteration)
    with pytest.raises(AssertionError):
        assert_agrees(iteration, TOLERANCE["cpu"])


def test_counts():
    trained = {
        network: sum(np.prod(t.shape) for t in tensors(network, "dcgan").values() if t.trained)
        for network in ("generator", "discriminator")
    }
    generator = 1_000 + 627_200 + 2 * 128 + 131_072 + 2 * 64 + 1_024 + 1
    discriminator = 1_280 + 1_088 + 131_072 + 2 * 128 + 802_944 + 129
    assert trained == {"generator": generator, "discriminator": discriminator}


def test_same_bytes_after_a_restart():
    straight, stopped = (short_runs.run(make_iteration(), count) for count in (3, 2))
    resumed = make_iteration()
    resumed.restore(stopped.state(), 2)
    state = straight.state()
    for name, array in short_runs.run(resumed, 1).state().items():
        assert array.tobytes() == state[name].tobytes(), name
