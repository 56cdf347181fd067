"""Random numbers, and the masks that dropout makes of them."""

import math

import numpy as np
import philox

from .checking import check_of, close, equal

# Random numbers -------------------------------------------------------------------------------------------

KNOWN_ANSWERS = [  # counter, key, words: Random123's kat_vectors
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
WHERE = [  # iteration, seed, stream: the low and the high word of each, and the streams' ends
    (1, 0, 0),
    (20_000, 7, 1),
    (2**32 + 5, 2**32 + 3, 25),
    (2**40 - 1, 2**64 - 1, 128),
]
MANY = 200_003


def _words(text):
    return [int(w, 16) for w in text.split()]


@check_of("philox_words")
def known_answers(run):
    counters, keys, words = (np.array([_words(row[i]) for row in KNOWN_ANSWERS]) for i in range(3))
    equal(run(counters=counters, keys=keys)["words"], words)


def _each_place(run, n, **given):
    for where in WHERE:
        iteration, seed, stream = where
        yield where, run(n=n, iteration=[iteration], seed=seed, stream=stream, **given)["y"]


@check_of("random_uniform")
def uniform_layout(run):
    for n in (1, 2, 3, 4, 7):
        for where, y in _each_place(run, n, limit=0.5):
            equal(y, [(2 * philox.unit(i, *where) - 1) / 2 for i in range(n)])


@check_of("random_uniform", large=True)
def uniform_moments(run):
    for _, y in _each_place(run, MANY, limit=1.0):
        y = y.astype(np.float64)
        assert -1 <= y.min() < -0.9999
        assert 0.9999 < y.max() < 1
        close(y.mean(), 0, atol=5 * (1 / 3 / MANY) ** 0.5)
        close((y**2).mean(), 1 / 3, atol=5 * (4 / 45 / MANY) ** 0.5, rtol=0)


@check_of("random_integers")
def integer_layout(run):
    for high in (1, 10, 60_000, 2**31 - 1):
        for n in (1, 3, 4, 5, 9):
            for where, y in _each_place(run, n, high=high):
                equal(y, [philox.integer(i, high, *where) for i in range(n)])


@check_of("random_integers", large=True)
def integers_cover_their_range(run):
    for _, y in _each_place(run, MANY, high=10):
        counts = np.bincount(y, minlength=10)
        assert len(counts) == 10
        close(counts, MANY / 10, atol=5 * (MANY * 0.09) ** 0.5, rtol=0)


@check_of("random_normal")
def normal_layout(run):
    for n in (1, 2, 3, 4, 5, 6, 7, 9):
        for where, y in _each_place(run, n):
            close(y, [philox.normal(i, *where) for i in range(n)])


#: At seed 0 on stream 2, iterations and elements whose word is the least there is, or the largest, to 24 bits.
ENDS = [(878_436, 0, 0), (41_971_712, 2, 0), (3_315_220, 0, 1 - 2**-24), (9_145_752, 2, 1 - 2**-24)]


@check_of("random_uniform")
def uniform_at_its_ends(run):
    for iteration, i, unit in ENDS:
        assert philox.unit(i, iteration, 0, 2) == unit
        y = run(n=4, iteration=[iteration], seed=0, stream=2, limit=0.5)["y"]
        equal(y[i], unit - 0.5)


@check_of("random_normal")
def normal_at_its_ends(run):
    """The logarithm is never that of 0, and at the other end it is 0."""
    for iteration, *_ in ENDS:
        y = run(n=4, iteration=[iteration], seed=0, stream=2)["y"]
        close(y, [philox.normal(j, iteration, 0, 2) for j in range(4)])


@check_of("random_normal", large=True)
def normal_moments(run):
    """Four moments within five standard errors, for both halves of the pairs; the halves are not correlated."""
    for _, y in _each_place(run, MANY):
        y = y.astype(np.float64)
        assert np.abs(y).max() <= math.sqrt(2 * 24 * math.log(2))
        for half in (y[0::2], y[1::2]):
            for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
                close((half**power).mean(), mean, atol=5 * (variance / len(half)) ** 0.5, rtol=0)
        pairs = y[: MANY // 2 * 2].reshape(-1, 2)
        close((pairs[:, 0] * pairs[:, 1]).mean(), 0, atol=5 / len(pairs) ** 0.5)


# Dropout --------------------------------------------------------------------------------------------------


@check_of("dropout_forward")
def dropout_layout(run):
    """The mask is the stream's, element by element in row-major order, also past the last whole block."""
    for rows, columns in ((1, 1), (2, 3), (3, 7)):
        for iteration, seed, stream in WHERE:
            x = np.arange(1.0, rows * columns + 1).reshape(rows, columns)
            for first in (0, 3):
                out = run(x=x, iteration=[iteration], seed=seed, stream=stream, rate=0.4, first=first)
                numbers = 4 * first + np.arange(x.size)
                keep = [philox.unit(i, iteration, seed, stream) >= 0.4 for i in numbers.tolist()]
                equal(out["mask"], np.reshape(keep, x.shape))
                close(out["y"], np.where(out["mask"], x / 0.6, 0), atol=0, rtol=1e-6)


@check_of("dropout_forward")
def dropout_keeps_a_tie(run):
    """An element whose uniform is the rate itself is kept, and dropped at the next rate."""
    where = 5, 3, 17
    for i in range(7):  # a whole block, and the elements after it
        rate = philox.unit(i, *where)
        for rate_, kept in ((rate, 1), (rate + 2**-24, 0)):
            mask = run(x=np.ones((1, 7)), iteration=where[:1], seed=3, stream=17, rate=rate_, first=0)["mask"]
            assert mask[0, i] == kept


@check_of("dropout_forward", large=True)
def dropout_keeps_its_share(run):
    """60 % within five standard errors, and masks of two streams or iterations as alike as independent ones."""
    x = np.ones((400, 500))
    masks = [
        run(x=x, iteration=[iteration], seed=3, stream=stream, rate=0.4, first=0)["mask"]
        for iteration, stream in ((1, 16), (1, 17), (1, 20), (2, 16))
    ]
    for mask in masks:
        close(mask.mean(), 0.6, atol=5 * (0.24 / x.size) ** 0.5, rtol=0)
    for i, first in enumerate(masks):
        for second in masks[:i]:
            close((first == second).mean(), 0.52, atol=5 * (0.25 / x.size) ** 0.5, rtol=0)


@check_of("dropout_backward")
def dropout_backward_uses_the_mask(run):
    out = run(dy=[[3.0, 3.0, -6.0]], mask=[[1, 0, 1]], rate=0.5)
    equal(out["dx"], [[6.0, 0.0, -12.0]])
