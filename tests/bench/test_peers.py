"""That the peers of the benchmark do the same work as we do: on the same draws, the same losses and weights."""

import importlib

import numpy as np
import pytest

from bench.device import places
from bench.peers import IMPLEMENTATIONS, Draws
from cgan_raw import streams
from cgan_raw.config import CLASSES, DISCRIMINATOR_WIDTHS, DROPOUT_RATE, LATENT, TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend

CONFIG = TrainConfig(seed=3)
ITERATIONS = 5
LOSS_TOLERANCE = 1e-5  # relative
TF32_LOSS_TOLERANCE = 1e-2  # factors are rounded to 11 bits, and Adam carries that into the weights
# Relative to how far a tensor has moved.  Adam's first steps are nearly lr * sign(g), so an element whose
# gradient is mostly rounding error differs by more than rounding.
TRAINED_TOLERANCE = 2e-4
MOVING_TOLERANCE = 2e-6


PEERS = [
    name
    for name, i in IMPLEMENTATIONS.items()
    if i.module != "ours" and i.device in places() and i.model == CONFIG.model
]


@pytest.fixture(params=PEERS)
def name(request):
    """Each peer that is installed, on the devices that there are."""
    if reason := IMPLEMENTATIONS[request.param].missing():
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module")
def ours():
    """Our losses (N, 3), and our tensors before and after."""
    peer = IMPLEMENTATIONS["ours"].make(CONFIG)
    before = {name: array.copy() for name, array in peer.tensors().items()}
    return peer.run(ITERATIONS), before, peer.tensors()


@pytest.fixture(scope="module")
def our_loss_later():
    """Our mean d_loss of iterations 21 to 40."""
    return IMPLEMENTATIONS["ours"].make(CONFIG).run(40)[20:, 0].mean()


@pytest.fixture(scope="module")
def draws():
    """What our iterations 1..N draw, by the streams of the generator."""
    ops, seed, rows = make_backend("cpu").ops, np.uint64(CONFIG.seed), CONFIG.batch_size
    width = DISCRIMINATOR_WIDTHS[-1]
    indices, wanted = (np.zeros((ITERATIONS, rows), np.int32) for _ in range(2))
    z = np.zeros((ITERATIONS, rows, LATENT), np.float32)
    kept = np.zeros((ITERATIONS, 3, 2, rows, width), np.uint8)
    ones, unused = np.ones((rows, width), np.float32), np.zeros((rows, width), np.float32)
    for i in range(ITERATIONS):
        iteration = np.array([i + 1])
        ops.random_integers(indices[i], iteration, seed, streams.INDICES, len(load_training()))
        ops.random_normal(z[i].reshape(-1), iteration, seed, streams.NOISE)
        ops.random_integers(wanted[i], iteration, seed, streams.LABELS, CLASSES)
        for phase, layer in np.ndindex(3, 2):
            stream = 16 + 4 * phase + layer
            ops.dropout_forward(unused, kept[i, phase, layer], ones, iteration, seed, stream, DROPOUT_RATE, 0)
    return Draws(indices, z, wanted, kept.astype(bool))


def test_the_same_draws_give_the_same_losses_and_tensors(name, ours, draws):
    losses, before, after = ours
    rounds = IMPLEMENTATIONS[name].options.get("tf32", False)
    peer = IMPLEMENTATIONS[name].make(CONFIG)
    theirs = peer.run(ITERATIONS, draws)

    assert theirs.shape == losses.shape
    for column in (0, 2):  # d_loss, g_loss
        error = np.abs(theirs[:, column] - losses[:, column]) / losses[:, column]
        assert (error <= (TF32_LOSS_TOLERANCE if rounds else LOSS_TOLERANCE)).all(), error
    if rounds:
        return
    # A logit at rounding error from zero may count on the other side.
    assert (np.abs(theirs[:, 1] - losses[:, 1]) <= 1.01 / (2 * CONFIG.batch_size)).all()

    tensors = peer.tensors()
    assert tensors.keys() == after.keys()
    for key, expected in after.items():
        assert tensors[key].shape == expected.shape, key
        moved = np.linalg.norm(expected - before[key])
        error = np.linalg.norm(tensors[key] - expected)
        assert moved > 0, key
        tolerance = MOVING_TOLERANCE if ".moving_" in key else TRAINED_TOLERANCE
        assert error <= tolerance * moved, (key, error / moved)


def test_its_own_draws_have_our_distributions(name):
    """At 4,096 rows each bound is five standard deviations or more."""
    rows, size = 4096, 60_000
    module = importlib.import_module(f"bench.peers.{IMPLEMENTATIONS[name].package}_peer")
    if IMPLEMENTATIONS[name].package == "jax":
        drawn = module.draw(module.jax.random.key(1), rows, size)
    else:
        module.torch.manual_seed(1)
        drawn = module.draw(rows, size)
    indices, z, wanted, kept = (np.asarray(array) for array in drawn)

    assert indices.shape == wanted.shape == (rows,)
    assert 0 <= indices.min() < 0.01 * size < 0.99 * size < indices.max() < size
    assert abs(indices.mean() / size - 0.5) <= 5 * 12**-0.5 * rows**-0.5
    counts = np.bincount(wanted, minlength=CLASSES)
    assert counts.shape == (CLASSES,)
    assert (np.abs(counts / rows - 0.1) <= 5 * 0.3 * rows**-0.5).all()
    assert z.shape == (rows, LATENT)
    assert abs(z.mean()) <= 5 * z.size**-0.5
    assert abs(z.std() - 1) <= 5 * (2 * z.size) ** -0.5
    assert kept.shape == (3, 2, rows, DISCRIMINATOR_WIDTHS[-1])
    assert (np.abs(kept.mean(axis=(2, 3)) - 0.6) <= 5 * (0.24 / kept[0, 0].size) ** 0.5).all()
    masks = kept.reshape(6, -1)
    agreement = (masks[:, None, :10_000] == masks[None, :, :10_000]).mean(axis=2)
    assert (agreement[~np.eye(6, dtype=bool)] <= 0.52 + 5 * 0.5 / 100).all()  # 0.6^2 + 0.4^2 if independent
    for one, other in ((indices, wanted), (z.ravel()[:rows], kept.ravel()[:rows])):
        assert abs(np.corrcoef(one, other)[0, 1]) <= 5 * rows**-0.5


def test_it_draws_anew_in_each_iteration_and_counts_them(name, our_loss_later):
    """On one batch over and over, D's loss would fall to a fraction of what it is."""
    peer = IMPLEMENTATIONS[name].make(CONFIG)
    assert peer.iteration == 0
    peer.run(20)
    assert peer.iteration == 20
    ratio = peer.run(20)[:, 0].mean() / our_loss_later
    assert peer.iteration == 40
    assert 0.7 <= ratio <= 1.4, ratio


def test_the_dcgan_of_pytorch_is_ours(draws):
    """After one iteration: later ones part where two roundings fall on either side of a kink."""
    if reason := IMPLEMENTATIONS["torch_dcgan"].missing():
        pytest.skip(reason)
    ours, theirs = (IMPLEMENTATIONS[name].make(CONFIG) for name in ("ours_dcgan", "torch_dcgan"))
    losses = ours.run(1), theirs.run(1, Draws(*(array[:1] for array in draws)))
    np.testing.assert_allclose(losses[1][:, [0, 2]], losses[0][:, [0, 2]], rtol=LOSS_TOLERANCE)
    tensors, expected = theirs.tensors(), ours.tensors()
    missing = {name for name in expected if name.startswith("discriminator.batchnorm0.moving_")}
    assert tensors.keys() == expected.keys() - missing
    for name, tensor in tensors.items():
        np.testing.assert_allclose(tensor, expected[name], rtol=0, atol=5e-5, err_msg=name)
