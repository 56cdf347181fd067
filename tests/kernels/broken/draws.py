"""Random numbers, and the masks that dropout makes of them."""

import numpy as np

from .breaking import breaks, reference

# Random numbers -------------------------------------------------------------------------------------------


@breaks("philox_words")
def swapped_words(words, counters, keys):
    """Two of the four words change places."""
    reference("philox_words", words, counters, keys)
    words[:, [1, 3]] = words[:, [3, 1]]


@breaks("philox_words")
def key_not_wrapped(words, counters, keys):
    """The key's low word carries into nothing: one too few in it."""
    reference("philox_words", words, counters, keys - np.uint32(1))


@breaks("random_uniform")
def iteration_truncated(y, iteration, seed, stream, limit):
    """The high half of the iteration is dropped."""
    reference("random_uniform", y, iteration & 0xFFFFFFFF, seed, stream, limit)


@breaks("random_uniform")
def half_the_range(y, iteration, seed, stream, limit):
    """u for 2 u - 1."""
    reference("random_uniform", y, iteration, seed, stream, limit)
    y[...] = (y + limit) / 2


@breaks("random_integers")
def modulo(y, iteration, seed, stream, high):
    """The remainder, for the high half of the product."""
    words = np.empty(y.size, np.uint64)
    reference("random_integers", words, iteration, seed, stream, 2**32 - 1)
    y[...] = words % np.uint64(high)


@breaks("random_integers")
def never_the_last(y, iteration, seed, stream, high):
    """The bound is taken to be the largest value and one less is drawn."""
    reference("random_integers", y, iteration, seed, stream, max(1, high - 1))


@breaks("random_integers")
def seed_truncated(y, iteration, seed, stream, high):
    """The high half of the seed is dropped."""
    reference("random_integers", y, iteration, int(seed) & 0xFFFFFFFF, stream, high)


@breaks("random_normal")
def swapped_pair(y, iteration, seed, stream):
    """Sine first, cosine second."""
    pairs = np.empty(y.size + y.size % 2)
    reference("random_normal", pairs, iteration, seed, stream)
    y[...] = pairs.reshape(-1, 2)[:, ::-1].reshape(-1)[: y.size]


@breaks("random_normal")
def missing_two(y, iteration, seed, stream):
    """sqrt(-ln u) for sqrt(-2 ln u)."""
    reference("random_normal", y, iteration, seed, stream)
    y /= np.sqrt(2)


@breaks("random_normal")
def logarithm_of_zero(y, iteration, seed, stream):
    """u in [0, 1) for (0, 1]: one number in 2^24 is infinite."""
    reference("random_normal", y, iteration, seed, stream)
    words = np.empty(y.size + y.size % 2)
    reference("random_uniform", words, iteration, seed, stream, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (words[0::2] + 1) / 2
        y *= np.repeat(np.sqrt(np.log(u) / np.log(u + 2**-24)), 2)[: y.size]


@breaks("dropout_forward")
def keeps_the_dropped(y, mask, x, iteration, seed, stream, rate, first):
    """u < rate for u >= rate, so 40 % are kept."""
    reference("dropout_forward", y, mask, x, iteration, seed, stream, rate, first)
    mask[...] = 1 - mask
    y[...] = mask * x / (1 - rate)


@breaks("dropout_forward")
def drops_a_tie(y, mask, x, iteration, seed, stream, rate, first):
    """u > rate for u >= rate."""
    reference("dropout_forward", y, mask, x, iteration, seed, stream, rate + 2**-24, first)


@breaks("dropout_forward")
def column_major_mask(y, mask, x, iteration, seed, stream, rate, first):
    """The element's index is c B + b."""
    other = np.empty_like(mask.T.copy())
    reference("dropout_forward", y.T.copy(), other, x.T.copy(), iteration, seed, stream, rate, first)
    mask[...] = other.T
    y[...] = mask * x / (1 - rate)


@breaks("dropout_forward")
def mask_of_its_own_stream(y, mask, x, iteration, seed, stream, rate, first):
    """Layers and phases share one mask."""
    reference("dropout_forward", y, mask, x, iteration, seed, 16, rate, first)


@breaks("dropout_forward")
def masks_of_the_first_rows(y, mask, x, iteration, seed, stream, rate, first):
    """All ranks drop the same elements of their rows."""
    reference("dropout_forward", y, mask, x, iteration, seed, stream, rate, 0)


@breaks("dropout_backward")
def not_divided(dx, dy, mask, rate):
    """The survivors' gradient is not scaled."""
    dx[...] = mask * dy
