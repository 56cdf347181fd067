"""Each figure tells real digits from what is wrong with others, and is the number that its formula gives."""

import numpy as np
import pytest

from cgan_raw.data import Dataset
from cgan_raw.evaluate import metrics
from cgan_raw.evaluate.measure import Judge
from cgan_raw.evaluate.metrics import Moments
from cgan_raw.evaluate.parzen import Parzen

NO_PARZEN = Parzen(0.0, 0.0, 0.0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def real(judge, test_set):
    return judge.figures(test_set, NO_PARZEN)


def chosen(dataset: Dataset, per_digit: int) -> np.ndarray:
    """The numbers of the first images of each digit, digit by digit."""
    return np.concatenate([np.flatnonzero(dataset.labels == c)[:per_digit] for c in range(10)])


# Real digits, and what can be wrong ---------------------------------------------------------------------------


def test_real_digits_score_near_the_ceiling(real):
    assert metrics.accuracy(real.confusion) > 0.983
    assert real.confusion.sum() == 10_000
    assert real.cross_entropy < 0.06
    assert real.frechet < 15
    assert np.all(np.abs(real.diversity - 1) < 0.1)


def test_shuffled_labels_are_right_by_chance_alone(real, judge, test_set, rng):
    found = judge.figures(Dataset(test_set.images, rng.permutation(test_set.labels)), NO_PARZEN)
    assert 0.08 < metrics.accuracy(found.confusion) < 0.12
    assert found.cross_entropy > 100 * real.cross_entropy


def test_labels_of_the_next_digit_are_always_wrong(judge, test_set):
    """And the images, seen without their labels, are as real as ever."""
    found = judge.figures(Dataset(test_set.images, (test_set.labels + 1) % 10), NO_PARZEN)
    assert metrics.accuracy(found.confusion) < 0.005
    assert found.frechet < 15


def test_noise_is_far_off(real, judge, rng):
    noise = Dataset(rng.integers(0, 256, (2_000, 784), np.uint8), np.arange(2_000, dtype=np.uint8) % 10)
    found = judge.figures(noise, NO_PARZEN)
    assert found.frechet > 50 * real.frechet
    assert metrics.accuracy(found.confusion) < 0.2
    assert found.cross_entropy > 100 * real.cross_entropy


@pytest.mark.parametrize("change", ["blurred", "half the strength", "two rows lower"])
def test_digits_that_are_a_little_wrong_are_a_little_off(change, real, judge, test_set):
    images = test_set.images.reshape(-1, 28, 28).astype(float)
    if change == "blurred":
        images = sum(np.roll(images, step, axis) for step in (-1, 0, 1) for axis in (1, 2)) / 6
    elif change == "half the strength":
        images /= 2
    else:
        images = np.roll(images, 2, axis=1)
    found = judge.figures(Dataset(images.astype(np.uint8).reshape(-1, 784), test_set.labels), NO_PARZEN)
    assert found.frechet > 2 * real.frechet
    assert found.cross_entropy > real.cross_entropy


def test_one_image_a_digit_is_exposed_by_diversity_alone(judge, test_set):
    """Ten perfect images: accuracy and cross-entropy see nothing wrong."""
    one_each = chosen(test_set, 1).repeat(100)
    found = judge.figures(Dataset(test_set.images[one_each], test_set.labels[one_each]), NO_PARZEN)
    assert metrics.accuracy(found.confusion) == 1
    assert found.cross_entropy < 0.06
    assert np.all(found.diversity < 1e-6)


def test_two_images_a_digit_have_about_half_the_diversity(judge, test_set):
    two_each = np.tile(chosen(test_set, 2), 50)
    found = judge.figures(Dataset(test_set.images[two_each], test_set.labels[two_each]), NO_PARZEN)
    assert 0.3 < found.diversity.mean() < 0.7


# Accuracy and cross-entropy -----------------------------------------------------------------------------------


def test_confusion_has_the_digit_asked_for_in_its_row():
    logits = np.full((4, 10), -5.0)
    logits[np.arange(4), [3, 3, 7, 0]] = 5
    table = metrics.confusion(logits, np.array([3, 8, 8, 0], np.uint8))
    expected = np.zeros((10, 10), int)
    expected[3, 3] = expected[8, 3] = expected[8, 7] = expected[0, 0] = 1
    assert np.array_equal(table, expected)


def test_accuracy_is_the_share_on_the_diagonal():
    table = np.zeros((10, 10), int)
    table[:, 0] = 1
    np.fill_diagonal(table, 3)
    assert metrics.accuracy(table) == pytest.approx(30 / 39)
    np.testing.assert_allclose(metrics.accuracy_per_digit(table), [1] + [0.75] * 9)


def test_cross_entropy_is_that_of_ten_sigmoids_of_which_one_says_yes(rng):
    logits, labels = 3 * rng.standard_normal((50, 10)), rng.integers(0, 10, 50)
    p = 1 / (1 + np.exp(-logits))
    only = p / (1 - p) * np.prod(1 - p, axis=1, keepdims=True)  # this one says yes, and no other
    expected = -np.log((only / only.sum(axis=1, keepdims=True))[np.arange(50), labels]).mean()
    assert metrics.conditional_cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-10)


def test_cross_entropy_of_large_logits_is_finite():
    logits = np.array([[1e4] + [-1e4] * 9], np.float32)
    assert metrics.conditional_cross_entropy(logits, np.array([0])) == 0
    assert metrics.conditional_cross_entropy(logits, np.array([4])) == pytest.approx(2e4)


# Moments and the Fréchet distance -----------------------------------------------------------------------------


def test_moments_give_every_digit_the_same_weight(rng):
    """As many copies of a digit's images as one likes change the mean not at all, the covariance by 1/n."""
    features, labels = rng.standard_normal((500, 6)), np.arange(500) % 10
    features += 3 * np.sin(labels)[:, None] * np.arange(6)
    copies = np.where(labels == 4, 7, 1)
    once, often = (metrics.moments(features.repeat(n, axis=0), labels.repeat(n)) for n in (1, copies))
    np.testing.assert_allclose(often.mean, once.mean, atol=1e-12)
    np.testing.assert_allclose(often.covariance, once.covariance, atol=0.01)


def test_moments_of_equal_numbers_are_those_of_all_images(rng):
    features, labels = rng.standard_normal((500, 6)), np.arange(500) % 10
    features += 3 * np.sin(labels)[:, None] * np.arange(6)
    found = metrics.moments(features, labels)
    within = sum(np.cov(features[labels == c], rowvar=False, bias=True) for c in range(10)) / 10
    np.testing.assert_allclose(found.mean, features.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(
        found.covariance, np.cov(features, rowvar=False, bias=True) + within / 49, atol=1e-12
    )


def test_moments_of_many_float32_features_are_summed_in_float64(rng):
    features = (1_000 + rng.standard_normal((100_000, 3))).astype(np.float32)
    exact = features.astype(np.float64)
    covariance = np.cov(exact, rowvar=False)
    labels = np.arange(100_000) % 10
    for found, atol in ((metrics.pooled_moments(features), 1e-12), (metrics.moments(features, labels), 2e-3)):
        np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=atol)


def random_moments(rng, size: int, rank: int | None = None) -> Moments:
    root = rng.standard_normal((size, rank or size))
    return Moments(rng.standard_normal(size), root @ root.T / size)


def test_frechet_distance_of_independent_features_is_known(rng):
    """sum of (m1 - m2)^2 + (s1 - s2)^2, with the standard deviations s."""
    (m1, m2), (s1, s2) = rng.standard_normal((2, 7)), rng.uniform(0, 3, (2, 7))
    found = metrics.frechet_distance(Moments(m1, np.diag(s1**2)), Moments(m2, np.diag(s2**2)))
    assert found == pytest.approx(np.sum((m1 - m2) ** 2 + (s1 - s2) ** 2), rel=1e-12)


def test_frechet_distance_of_covariances_that_commute_is_known(rng):
    """The same, turned: what the distance measures does not depend on the axes."""
    turn, _ = np.linalg.qr(rng.standard_normal((7, 7)))
    (m1, m2), (s1, s2) = rng.standard_normal((2, 7)), rng.uniform(0, 3, (2, 7))
    one, other = (Moments(turn @ m, turn * s**2 @ turn.T) for m, s in ((m1, s1), (m2, s2)))
    expected = np.sum((m1 - m2) ** 2 + (s1 - s2) ** 2)
    assert metrics.frechet_distance(one, other) == pytest.approx(expected, rel=1e-10)


def trace_of_root(product: np.ndarray) -> float:
    """tr A^(1/2) by the iteration of Denman & Beavers 1976, which needs no symmetry."""
    y, z = product, np.eye(len(product))
    for _ in range(40):
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    np.testing.assert_allclose(y @ y, product, atol=1e-9)
    return float(np.trace(y))


def by_formula(one: Moments, other: Moments, root) -> float:
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    return np.sum((one.mean - other.mean) ** 2) + traces - 2 * root(one.covariance @ other.covariance)


def test_frechet_distance_is_that_of_the_formula(rng):
    one, other = random_moments(rng, 12), random_moments(rng, 12)
    expected = by_formula(one, other, trace_of_root)
    assert metrics.frechet_distance(one, other) == pytest.approx(expected, rel=1e-8)
    assert metrics.frechet_distance(other, one) == pytest.approx(expected, rel=1e-8)


def sum_of_roots(product: np.ndarray) -> float:
    """tr A^(1/2) from the eigenvalues of A, of which rounding may take some below 0 or off the real axis."""
    return np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum()


def test_frechet_distance_is_that_of_the_products_eigenvalues(rng, judge, test_set):
    """Of random moments, and of those that are compared in earnest."""
    features, _ = judge.classifier.judge(test_set.images)
    seen = (judge.moments, metrics.moments(features, test_set.labels))
    for one, other in ((random_moments(rng, 60), random_moments(rng, 60)), seen):
        expected = by_formula(one, other, sum_of_roots)
        assert metrics.frechet_distance(one, other) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_the_same_is_zero_even_if_singular(rng):
    for rank in (12, 3):
        m = random_moments(rng, 12, rank)
        assert metrics.frechet_distance(m, m) == pytest.approx(0, abs=1e-6)
    flat = Moments(m.mean, np.zeros((12, 12)))
    assert metrics.frechet_distance(m, flat) == pytest.approx(np.trace(m.covariance))


# Diversity ----------------------------------------------------------------------------------------------------


def test_spread_is_the_mean_distance_of_pairs(rng):
    features = rng.standard_normal((9, 5)).astype(np.float32) + 100
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(features) for b in features[:i]]
    assert metrics.spread(features) == pytest.approx(np.mean(pairs), rel=1e-5)


def test_spreads_are_those_of_each_digits_first_images(rng):
    features, labels = rng.standard_normal((200, 5)), rng.permutation(np.arange(200) % 10)
    expected = [metrics.spread(features[labels == c][:8]) for c in range(10)]
    assert np.array_equal(metrics.spreads(features, labels, most=8), expected)


# Without labels -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_spread_of_a_digit_with_fewer_than_two_images_is_not_known(rng):
    features, labels = rng.standard_normal((5, 3)), np.array([0, 0, 1, 2, 2])
    found = metrics.spreads(features, labels, most=10)
    assert np.isfinite(found[[0, 2]]).all()
    assert np.isnan(found[[1, *range(3, 10)]]).all()


def test_pooled_moments_are_those_of_all_images(rng):
    features = rng.standard_normal((50, 4)) + 7
    found = metrics.pooled_moments(features.astype(np.float32))
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-6)
    centred = features - features.mean(axis=0)
    np.testing.assert_allclose(found.covariance, centred.T @ centred / 49, rtol=1e-5)


def test_histogram_counts_digits():
    assert metrics.histogram(np.array([3, 3, 9, 0])).tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]


def test_entropy_is_that_of_the_shares():
    assert metrics.entropy(np.full(10, 7)) == pytest.approx(np.log(10))
    assert metrics.entropy(np.array([5, 5] + [0] * 8)) == pytest.approx(np.log(2))
    assert metrics.entropy(np.array([9] + [0] * 9)) == 0


def test_coverage_of_real_digits(judge, test_set):
    found = judge.coverage(test_set.images, NO_PARZEN)
    true = np.bincount(test_set.labels, minlength=10)
    assert np.abs(found.histogram - true).max() < 40
    assert found.entropy > 2.29
    assert found.frechet < 15
    assert np.all(np.abs(found.diversity - 1) < 0.1)


def test_coverage_compares_all_images_with_all_training_images(cpu, weights, training, test_set):
    """Whatever digits they show."""
    few = Dataset(training.images[:1_000], training.labels[:1_000])
    judge = Judge(cpu, weights, few)
    one, other = (
        metrics.pooled_moments(judge.classifier.judge(images)[0])
        for images in (test_set.images[:1_000], few.images)
    )
    found = judge.coverage(test_set.images[:1_000], NO_PARZEN)
    assert found.frechet == pytest.approx(metrics.frechet_distance(one, other), rel=1e-9)


def test_coverage_shows_digits_that_are_missing(judge, test_set):
    """Every image is a real one, but none shows more than a 4."""
    found = judge.coverage(test_set.images[test_set.labels < 5], NO_PARZEN)
    assert found.entropy == pytest.approx(np.log(5), abs=0.1)
    assert found.histogram[5:].sum() < 100
    assert found.frechet > 200
