"""The gradient of the whole loss D(G(z)) by central differences, on the reference backend.

The masks of dropout are a function of (seed, iteration), so the loss is a function of the parameters.
"""

import numpy as np
import pytest
import short_runs

from cgan_raw.layers import LeakyReLU
from cgan_raw.testing import assert_gradient


class Loss:
    """One loss of an iteration as a function of one network's parameters."""

    def __init__(self, iteration, network):
        self.it, self.network = iteration, getattr(iteration, network)
        self.generator = network == "generator"
        self.mode = iteration.on_wanted if self.generator else iteration.on_fake
        self.criterion = iteration.generator_loss if self.generator else iteration.fake_loss

    def value(self):
        fake = self.it.generator.forward(self.it.z, self.mode)
        self.criterion.forward(self.it.discriminator.forward(fake, self.mode))
        return float(self.criterion.loss[0])

    def gradient(self):
        """Into the network's flat gradient, the way the iteration takes."""
        self.value()
        dfake = self.it.discriminator.backward(self.criterion.backward(), train=not self.generator)
        if self.generator:
            self.it.generator.backward(dfake, train=True)

    def at(self, tensor):
        """The loss as a function of the values of one array, near where it stands now.

        A step that takes a unit across its kink has no derivative to be compared with.  Few rows have few
        units, and the seed is one for which no step does.
        """
        before = tensor.copy()
        self.value()
        sides = self.sides()

        def loss(values):
            tensor[...] = values
            value = self.value()
            tensor[...] = before
            assert np.array_equal(self.sides(), sides), "a unit crosses its kink: take another seed"
            return value

        return loss

    def sides(self):
        """On which side of its kink each LeakyReLU is."""
        layers = (*self.it.generator.layers, *self.it.discriminator.layers)
        return np.concatenate([layer.x.ravel() > 0 for layer in layers if isinstance(layer, LeakyReLU)])


def check(loss):
    """The gradient of all parameters together, and of each tensor, lest a small one is lost in the sum."""
    loss.gradient()
    parameters, rng = loss.network.parameters, np.random.default_rng(0)
    arrays = {"all parameters": (parameters.flat, parameters.flat_gradient)}
    arrays |= {name: (parameters.values[name], parameters.gradients[name]) for name in parameters.gradients}
    for name, (values, gradient) in arrays.items():
        assert np.linalg.norm(gradient) > 1e-4, f"{name} has no gradient to speak of"
        assert_gradient(name, loss.at(values), values.copy(), gradient.copy(), rng)


def trained():
    """A few iterations on, no bias is 0 and no gamma is 1."""
    return short_runs.run(short_runs.make_iteration("reference", seed=11, batch=4), 3)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_gradient_of_the_loss(network):
    check(Loss(trained(), network))


@pytest.mark.parametrize(
    ("network", "defect"),
    [
        ("generator", short_runs.variance_is_a_constant),
        ("generator", short_runs.dropout_gradient_unscaled),
        ("generator", short_runs.labels_lag),
        ("discriminator", short_runs.dropout_gradient_unscaled),
        ("discriminator", short_runs.labels_lag),
    ],
)
def test_rejects(network, defect):
    iteration = trained()
    defect(iteration)
    with pytest.raises(AssertionError, match="elements are wrong"):
        check(Loss(iteration, network))
