"""The classifier's training follows the gradient of the loss it names, on the images it names, and repeats."""

import itertools

import numpy as np
import pytest
from commands import assert_refused, call

from cgan_raw.data import Dataset
from cgan_raw.devices.choice import make_backend
from cgan_raw.evaluate import classifier, train_classifier
from cgan_raw.evaluate.classifier_training import ROWS, SHIFTS, Training
from cgan_raw.testing import assert_gradient


@pytest.fixture
def start(training):
    """A training in float64, before its first iteration, with biases that are not zero."""
    few = Dataset(training.images[:500], training.labels[:500])
    result = Training(make_backend("reference"), few, iterations=10, seed=3)
    rng = np.random.default_rng(0)
    for array in result.parameters.values.values():
        array += 0.01 * rng.standard_normal(array.shape)
    result._draw_batch()
    return result


def loss_by_hand(values, x, labels) -> float:
    """The mean of ten binary cross-entropies an image, with targets 1 for its label and 0 for the others."""
    for i in range(2):
        x = x @ values[f"dense{i}.weight"] + values[f"dense{i}.bias"]
        x = np.where(x > 0, x, 0.2 * x)
    p = 1 / (1 + np.exp(-(x @ values["dense2.weight"] + values["dense2.bias"])))
    targets = np.arange(10) == labels[:, None]
    return -np.mean(np.where(targets, np.log(p), np.log(1 - p)))


def test_loss_is_the_one_described(start):
    start._differentiate()
    c = start.classifier
    assert start.loss[0] == pytest.approx(loss_by_hand(start.parameters.values, c.x, c.labels), rel=1e-12)


@pytest.mark.parametrize("name", classifier.tensors())
def test_gradient_is_that_of_the_loss(name, start):
    start._differentiate()
    c, p = start.classifier, start.parameters

    def loss(value):
        return loss_by_hand(p.values | {name: value}, c.x, c.labels)

    assert_gradient(name, loss, p.values[name], p.gradients[name], np.random.default_rng(1))


def test_every_shift_has_its_share_of_a_batch(start, training):
    c = start.classifier
    images = training.images[:500].reshape(-1, 28, 28)
    share = ROWS // len(SHIFTS)
    assert set(SHIFTS) == set(itertools.product((-1, 0, 1), repeat=2))
    for row, (index, label, x) in enumerate(zip(c.indices, c.labels, c.x, strict=True)):
        dy, dx = SHIFTS[row // share]
        assert label == training.labels[index]
        inside = (slice(1, -1), slice(1, -1))  # the outermost pixels come from elsewhere
        moved = np.roll(images[index], (-dy, -dx), axis=(0, 1))[inside]
        assert np.array_equal(np.rint(x.reshape(28, 28) * 127.5 + 127.5)[inside], moved)


def test_batch_comes_from_all_images(start):
    quarters = np.bincount(start.classifier.indices // 125)
    assert len(quarters) == 4
    assert quarters.min() > ROWS // 12


def test_step_is_adams_with_its_state_and_constants(start, monkeypatch):
    given = []
    monkeypatch.setattr(start.ops, "adam_step", lambda *arguments: given.extend(arguments))
    start.run()
    p = start.parameters
    arrays = (p.flat, p.flat_m, p.flat_v, p.flat_gradient, start.t)
    assert all(found is array for found, array in zip(given[:5], arrays, strict=True))
    assert given[6:] == [0.9, 0.999, 1e-7]


def test_learning_rate_falls_to_zero(start, monkeypatch):
    rates = []
    monkeypatch.setattr(start.ops, "adam_step", lambda *arguments: rates.append(arguments[5]))
    for _ in range(10):
        start.run()
    assert start.done == start.t[0] == 10
    np.testing.assert_allclose(rates, 1e-3 * np.arange(10, 0, -1) / 10)


# The command ------------------------------------------------------------------------------------------------


def train(folder, *flags):
    """The two files that the command leaves, and what it prints."""
    out = folder / "classifier.safetensors"
    result = call(train_classifier.main, "--device", "cpu", "--out", out, *flags)
    assert (result.code, result.err) == (0, ""), result
    return out.read_bytes(), out.with_suffix(".json").read_bytes(), result.out


def test_a_few_hundred_iterations_reach_ninety_per_cent_twice_alike(tmp_path):
    first, again = (train(tmp_path, "--iterations", 250) for _ in range(2))
    assert first == again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier.json", "classifier.safetensors"]
    _, facts = classifier.load(tmp_path / "classifier.safetensors")
    assert facts["test_accuracy"] > 0.9
    assert (facts["iterations"], facts["seed"]) == (250, 0)
    assert f"{100 * facts['test_accuracy']:.2f} % of the test set" in first[2]


def test_seed_decides(tmp_path):
    one, two = (train(tmp_path, "--iterations", 1, "--seed", seed)[0] for seed in (1, 2))
    assert one != two


@pytest.mark.parametrize(
    "flag",
    ["--iterations=0", "--seed=-1", f"--seed={2**64}", "--out=classifier.npz", "--out=none/x.safetensors"],
)
def test_bad_flag_is_refused(flag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = flag.removeprefix("--out=").split("=")[0]
    assert_refused(call(train_classifier.main, flag), names)
    assert not any(tmp_path.iterdir())
