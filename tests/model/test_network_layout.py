"""How many parameters there are, and where they lie."""

import math

import numpy as np
import pytest
import short_runs

from cgan_raw.devices.choice import make_backend
from cgan_raw.layers import Mode
from cgan_raw.models import LAYERS, Network, Parameters, checkpoint_shapes, tensors

COUNTS = {"generator": (1_494_520, 1_490_936), "discriminator": (935_585, 935_585)}  # all, trained


@pytest.fixture(params=LAYERS)
def parameters(request):
    return Parameters(make_backend("cpu"), request.param)


def gaps(parameters):
    """Where the flat buffers hold no tensor."""
    marked = np.ones(parameters.flat.size, bool)
    for view in parameters.gradients.values():
        start = (view.ctypes.data - parameters.flat_gradient.ctypes.data) // view.itemsize
        marked[start : start + view.size] = False
    return marked


@pytest.mark.parametrize(("network", "total", "trained"), [(n, *c) for n, c in COUNTS.items()])
def test_counts(network, total, trained):
    sizes = [(math.prod(t.shape), t.trained) for t in tensors(network).values()]
    assert sum(size for size, _ in sizes) == total
    assert sum(size for size, is_trained in sizes if is_trained) == trained


def test_each_tensor_is_a_view_on_a_boundary_of_128_bytes(parameters):
    flats = parameters.flat, parameters.flat_gradient, parameters.flat_m, parameters.flat_v
    views = parameters.values, parameters.gradients, parameters.m, parameters.v
    for flat, named in zip(flats, views, strict=True):
        for name in parameters.gradients:
            view = named[name]
            offset = view.ctypes.data - flat.ctypes.data
            assert np.shares_memory(view, flat), name
            assert view.flags.c_contiguous, name
            assert offset % 128 == 0, name
            assert offset == parameters.gradients[name].ctypes.data - parameters.flat_gradient.ctypes.data, name


def test_views_do_not_overlap_and_fill_the_buffer(parameters):
    trained = COUNTS[parameters.network][1]
    assert sum(view.size for view in parameters.gradients.values()) == trained
    assert np.count_nonzero(~gaps(parameters)) == trained
    assert gaps(parameters).sum() < 32 * len(parameters.gradients)


def test_moving_statistics_lie_outside(parameters):
    outside = set(parameters.values) - set(parameters.gradients)
    assert all("moving" in name for name in outside)
    assert not any(np.shares_memory(parameters.values[name], parameters.flat) for name in outside)


def test_gaps_stay_zero():
    iteration = short_runs.run(short_runs.make_iteration("cpu", batch=5), 2)
    for network in (iteration.generator, iteration.discriminator):
        p = network.parameters
        for flat in (p.flat, p.flat_gradient, p.flat_m, p.flat_v):
            assert not flat[gaps(p)].any()
            assert np.isfinite(flat).all()


def test_buffers_start_on_a_cache_line(parameters):
    for size in (1, 3, 1000):
        assert parameters.backend.zeros((size,), "uint8").ctypes.data % 64 == 0
    assert parameters.flat.ctypes.data % 64 == 0


def test_checkpoint_names_every_array():
    iteration = short_runs.make_iteration("cpu", batch=1)
    assert {name: array.shape for name, array in iteration.state().items()} == checkpoint_shapes()


def test_networks_of_other_sizes_share_parameters():
    """The sampler's network gives, row by row, what the training one gives in inference."""
    iteration = short_runs.run(short_runs.make_iteration("cpu", batch=8), 2)
    backend, z = iteration.backend, iteration.z
    three = Network(iteration.generator.parameters, 3).forward(
        z[:3].copy(), Mode(iteration.y[:3], training=False)
    )
    eight = iteration.generator.forward(z, Mode(iteration.y, training=False))
    assert backend.real == np.float32
    np.testing.assert_allclose(three, eight[:3], atol=1e-6)
