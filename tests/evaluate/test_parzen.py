"""The Parzen window gives the density of its formula, and its width is the one that fits points aside best."""

import math
import tracemalloc

import numpy as np
import pytest

from cgan_raw.evaluate import measure, parzen


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def log_density(x, samples, sigma: float) -> float:
    """One point at a time, in Python's floats, from a sum of logarithms."""
    x, samples = (x / 255).tolist(), (samples / 255).tolist()
    scale = math.log(sigma * math.sqrt(2 * math.pi))
    terms = [
        math.fsum(-((a - b) ** 2) / (2 * sigma**2) - scale for a, b in zip(x, s, strict=True)) for s in samples
    ]
    highest = max(terms)
    return highest + math.log(math.fsum(math.exp(t - highest) for t in terms) / len(samples))


def test_log_likelihoods_are_those_of_the_formula(rng, monkeypatch):
    """Points come a few at a time, the last ones fewer; sigma from the narrowest to the widest."""
    monkeypatch.setattr(parzen, "_ROWS", 3)
    points, samples = (rng.integers(0, 256, (n, 40), np.uint8) for n in (8, 11))
    samples[0] = points[5]
    found = parzen.log_likelihoods(points, samples, parzen.SIGMAS, "")
    expected = [[log_density(x, samples, sigma) for x in points] for sigma in parzen.SIGMAS]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_density_has_the_mass_one():
    points = np.arange(256, dtype=np.uint8)[:, None]
    densities = np.exp(parzen.log_likelihoods(points, np.array([[100], [140]], np.uint8), [0.1], "")[0])
    assert densities.sum() / 255 == pytest.approx(1, abs=1e-3)


def test_points_far_from_every_sample_have_a_finite_log_likelihood():
    """28^2 pixels, all wrong: exp of the exponent is 0."""
    found = parzen.log_likelihoods(np.full((1, 784), 255, np.uint8), np.zeros((2, 784), np.uint8), [0.1], "")
    expected = -784 / 0.02 - 784 / 2 * math.log(2 * math.pi * 0.01)
    assert found == pytest.approx(expected, rel=1e-12)


def test_widths_are_those_of_the_protocol():
    np.testing.assert_allclose(parzen.SIGMAS[[0, 3, 9]], [0.1, 10 ** (-2 / 3), 1])
    assert len(parzen.SIGMAS) == 10


def test_numbers_of_images_are_those_of_the_protocol():
    assert measure.validation(60_000) == slice(50_000, 51_000)
    assert measure.PER_DIGIT == 1_000


def test_of_few_training_images_a_sixth_is_left_aside():
    """The rest takes the samples' place; none is in both."""
    assert measure.validation(120) == slice(100, 120)


def test_distance_of_images_that_are_one_grey_apart_is_exact(rng):
    """Squares of 784 bright pixels need more digits than float32 has."""
    points = rng.integers(200, 255, (20, 784), np.uint8)
    samples = points + np.eye(20, 784, dtype=np.uint8)
    (found,) = parzen._squared_distances(points, samples, "")
    expected = np.sum((points[:, None].astype(int) - samples) ** 2, axis=2)
    assert expected.min() == 1
    np.testing.assert_allclose(255**2 * found, expected, rtol=1e-12)


def test_width_is_the_best_on_points_aside_and_the_figure_that_of_the_test_points(rng):
    """A Gaussian of known width around one sample; the test points are spread more than those aside."""
    sample = np.full((1, 400), 128, np.uint8)
    aside, test = ((127.5 + s * 255 * rng.standard_normal((60, 400))).clip(0, 255) for s in (0.13, 0.16))
    aside, test = aside.astype(np.uint8), test.astype(np.uint8)
    found = parzen.parzen(sample, aside, test, "")
    assert found.sigma == pytest.approx(10 ** (-8 / 9))  # 0.129
    each = np.array([log_density(x, sample, found.sigma) for x in test])
    assert found.log_likelihood == pytest.approx(each.mean())
    assert found.standard_error == pytest.approx(each.std(ddof=1) / 60**0.5)


def test_real_images_are_likelier_than_noise(training, test_set, rng):
    aside, test = training.images[50_000:50_100], test_set.images[:200]
    real = parzen.parzen(training.images[:1_000], aside, test, "")
    noise = parzen.parzen(rng.integers(0, 256, (1_000, 784), np.uint8), aside, test, "")
    same = parzen.parzen(training.images[:1_000], aside, aside, "")
    assert real.log_likelihood > noise.log_likelihood + 200
    assert abs(real.log_likelihood - same.log_likelihood) < 5 * (real.standard_error + same.standard_error)


def test_memory_does_not_grow_with_the_number_of_points(training):
    """All distances at once would take 160 MB, and their exponentials as much again."""
    tracemalloc.start()
    try:
        parzen.log_likelihoods(training.images[:2_000], training.images[:10_000], [0.2], "")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 140e6
