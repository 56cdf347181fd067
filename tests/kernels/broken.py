"""Kernels with one planted defect each, for the proof that the checks can fail.

``defects(op)`` lists them: those that any op can have (:mod:`generic_defects`), and those of its own, which
stand here.  Each is the reference with a mistake that somebody could make; its docstring says which.
"""

import generic_defects
import numpy as np
from numpy.lib.stride_tricks import as_strided

from cgan_raw.kernels.registry import ops

_OWN = {}


def defects(op):
    """An op's kernels with a defect."""
    return generic_defects.defects(op) + _OWN.get(op.name, [])


def reference(name, *arguments):
    ops()[name].implementation("reference")(*arguments)


def breaks(op_name):
    def register(function):
        _OWN.setdefault(op_name, []).append(function)
        return function

    return register


# Elementwise ----------------------------------------------------------------------------------------------


@breaks("leaky_relu_backward")
def wrong_sign(dx, dy, x, slope):
    """The slope's sign is lost."""
    dx[...] = np.where(x > 0, dy, -slope * dy)


@breaks("leaky_relu_backward")
def wrong_branch(dx, dy, x, slope):
    """The branches are the wrong way round."""
    dx[...] = np.where(x > 0, slope * dy, dy)


@breaks("tanh_backward")
def missing_square(dx, dy, y):
    """1 - y for 1 - y^2."""
    dx[...] = dy * (1 - y)


@breaks("adam_step")
def eps_inside_the_root(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """sqrt(v + eps) for sqrt(v) + eps."""
    before = p.copy()
    reference("adam_step", p, m, v, g, t, learning_rate, beta1, beta2, eps)
    rate = learning_rate * np.sqrt(1 - beta2 ** float(t[0])) / (1 - beta1 ** float(t[0]))
    p[...] = before - rate * m / np.sqrt(v + eps)


@breaks("adam_step")
def step_one_early(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """t counts from 0."""
    reference("adam_step", p, m, v, g, t + 1, learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def always_the_first_step(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """t is not read, as when a replayed sequence of launches carries it as an argument."""
    reference("adam_step", p, m, v, g, np.ones_like(t), learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def decays_weights(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """Decoupled weight decay of 1 %: parameters move without a gradient."""
    p *= 1 - 0.01 * learning_rate
    reference("adam_step", p, m, v, g, t, learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def updates_past_the_end(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """The guard against the end is one too lenient, in arrays that are updated."""
    longer = (as_strided(array, (array.size + 1,)) for array in (p, m, v, g))
    with np.errstate(invalid="ignore"):
        reference("adam_step", *longer, t, learning_rate, beta1, beta2, eps)


@breaks("adam_step")
def one_minus_beta2_in_float(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """1 - 0.999f is off by 1.3e-5 of itself."""
    before = v.copy()
    reference("adam_step", p, m, v, g, t, learning_rate, beta1, beta2, eps)
    v[...] = beta2 * before + (1 - float(np.float32(beta2))) * g * g


@breaks("adam_step")
def skips_zero_gradients(p, m, v, g, t, learning_rate, beta1, beta2, eps):
    """What a sparse optimiser does."""
    new = p.copy(), m.copy(), v.copy()
    reference("adam_step", *new, g, t, learning_rate, beta1, beta2, eps)
    for array, value in zip((p, m, v), new, strict=True):
        array[g != 0] = value[g != 0]


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


# Gather and scatter ---------------------------------------------------------------------------------------


@breaks("batch_gather")
def labels_in_order(x, y, images, labels, indices):
    """Labels are not gathered."""
    reference("batch_gather", x, y, images, labels, indices)
    y[...] = labels[np.arange(len(y)) % len(labels)]


@breaks("batch_gather")
def wrong_scale(x, y, images, labels, indices):
    """256 values, so 128."""
    reference("batch_gather", x, y, images, labels, indices)
    x[...] = (images[indices] - 128.0) / 128


@breaks("embedding_forward")
def swapped_index(y, x, table, labels):
    """Row b of the table, not the row of b's label."""
    y[...] = x * table[np.arange(len(x)) % len(table)]


@breaks("embedding_backward_input")
def divided(dx, dy, table, labels):
    """By the embedding."""
    dx[...] = dy / table[labels]


@breaks("embedding_backward_table")
def last_row_wins(dtable, dy, x, labels):
    """A label that comes twice is stored over, as when two threads do not add atomically."""
    dtable[...] = 0
    dtable[labels] += dy * x


@breaks("embedding_backward_table")
def unnamed_rows_unwritten(dtable, dy, x, labels):
    """The zeros are forgotten."""
    dtable[labels] = 0
    np.add.at(dtable, labels, dy * x)


# Reductions -----------------------------------------------------------------------------------------------


@breaks("bce_forward")
def overflows(loss, accuracy, logits, target):
    """The textbook formula, in which exp overflows and 0 ln 0 is NaN."""
    reference("bce_forward", loss, accuracy, logits, target)
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-logits))
        loss[0] = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()


@breaks("bce_backward")
def sum_for_mean(dlogits, logits, target):
    """The division by B is missing."""
    reference("bce_backward", dlogits, logits, target)
    dlogits *= len(logits)


@breaks("batchnorm_forward_train")
def unbiased_variance(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    """The division is by B - 1."""
    rest = moving_mean, moving_variance, x, gamma, beta, eps, momentum
    reference("batchnorm_forward_train", y, mean, rstd, *rest)
    rstd[...] = 1 / np.sqrt(((x - mean) ** 2).sum(axis=0) / max(1, len(x) - 1) + eps)
    y[...] = gamma * (x - mean) * rstd + beta


@breaks("batchnorm_forward_train")
def one_pass_variance(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    """E[x^2] - E[x]^2."""
    rest = moving_mean, moving_variance, x, gamma, beta, eps, momentum
    reference("batchnorm_forward_train", y, mean, rstd, *rest)
    rstd[...] = 1 / np.sqrt(np.maximum((x * x).mean(axis=0) - mean * mean, 0) + eps)
    y[...] = gamma * (x - mean) * rstd + beta


@breaks("batchnorm_forward_train")
def momentum_reversed(y, mean, rstd, moving_mean, moving_variance, x, gamma, beta, eps, momentum):
    """Momentum weighs the new value."""
    rest = moving_mean, moving_variance, x, gamma, beta, eps, 1 - momentum
    reference("batchnorm_forward_train", y, mean, rstd, *rest)


@breaks("batchnorm_forward_inference")
def eps_forgotten(y, x, gamma, beta, moving_mean, moving_variance, eps):
    """The root has no eps."""
    reference("batchnorm_forward_inference", y, x, gamma, beta, moving_mean, moving_variance, 0.0)


@breaks("batchnorm_backward")
def missing_variance_term(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """What the variance gives back is missing."""
    reference("batchnorm_backward", dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
    dx[...] = gamma * rstd * (dy - dbeta / len(x))


@breaks("batchnorm_backward")
def missing_mean_term(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """What the mean gives back is missing."""
    reference("batchnorm_backward", dx, dgamma, dbeta, dy, x, gamma, mean, rstd)
    dx[...] = gamma * rstd * (dy - (x - mean) * rstd * dgamma / len(x))


@breaks("batchnorm_backward")
def swapped_sums(dx, dgamma, dbeta, dy, x, gamma, mean, rstd):
    """dgamma and dbeta change places."""
    reference("batchnorm_backward", dx, dbeta, dgamma, dy, x, gamma, mean, rstd)


@breaks("batchnorm_moments")
def moments_about_zero(means, squares, x):
    """The sum of the squares of x, not of what is left without the mean."""
    reference("batchnorm_moments", means, squares, x)
    squares += means * means


@breaks("batchnorm_normalise")
def parts_weigh_the_same(y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum):
    """The mean of the parts' means, though the last part has fewer rows."""
    rest = moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum
    reference("batchnorm_normalise", y, mean, rstd, *rest)
    mean[...] = moments[:, 0].mean(axis=(0, 1))


@breaks("batchnorm_normalise")
def moments_of_the_first_rank(
    y, mean, rstd, moving_mean, moving_variance, x, moments, gamma, beta, eps, momentum
):
    """What the other ranks have of the batch is left out."""
    rest = moving_mean, moving_variance, x, moments[:1], gamma, beta, eps, momentum
    reference("batchnorm_normalise", y, mean, rstd, *rest)


@breaks("batchnorm_dx")
def first_part_alone(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas):
    """The sums of one part for those of all."""
    reference("batchnorm_dx", dx, dgamma, dbeta, dy, x, gamma, mean, rstd, dgammas, dbetas)
    dgamma[...], dbeta[...] = dgammas[0], dbetas[0]


# Products -------------------------------------------------------------------------------------------------


@breaks("dense_forward")
def bias_by_row(y, x, w, b):
    """b[m] for b[n]."""
    y[...] = x @ w + np.resize(b, len(x))[:, None]


@breaks("dense_forward")
def last_of_k_missing(y, x, w, b):
    """The loop over K ends one early."""
    y[...] = x[:, :-1] @ w[:-1] + b


@breaks("dense_forward")
def ten_bits(y, x, w, b):
    """Factors rounded to ten bits, as tensor cores round them."""

    def rounded(a):
        return (a.astype(np.float32) * np.float32(1 + 2**13)) - (a.astype(np.float32) * np.float32(2**13))

    y[...] = rounded(x) @ rounded(w) + b


@breaks("dense_backward_input")
def not_transposed(dx, dy, w):
    """w is read row by row as if it had been transposed."""
    dx[...] = dy @ w.reshape(w.shape[::-1])


@breaks("dense_backward_weight")
def first_row_twice(dw, x, dy):
    """An index starts at 1 and wraps around."""
    dw[...] = x.T @ dy + np.outer(x[0], dy[0])


@breaks("dense_backward_bias")
def mean_for_sum(db, dy):
    """Divided by the batch."""
    db[...] = dy.mean(axis=0)


# Convolutions ---------------------------------------------------------------------------------------------


@breaks("convolution_forward")
def taps_transposed(y, x, w, stride, padding):
    """w[s,r] for w[r,s]."""
    reference("convolution_forward", y, x, w.swapaxes(0, 1), stride, padding)


@breaks("convolution_forward")
def padding_forgotten(y, x, w, stride, padding):
    """The first tap meets pixel 0."""
    reference("convolution_forward", y, x, w, stride, 0)


@breaks("convolution_backward_input")
def taps_not_reversed(dx, dy, w, stride, padding):
    """The taps in the order of the forward pass."""
    reference("convolution_backward_input", dx, dy, w[::-1, ::-1], stride, padding)


@breaks("convolution_backward_weight")
def last_image_missing(dw, x, dy, stride, padding):
    """The loop over images ends one early."""
    reference("convolution_backward_weight", dw, x[:-1], dy[:-1], stride, padding)


@breaks("bias_add")
def bias_for_y(y, b):
    """It is stored, not added."""
    y[...] = b


# Bookkeeping ----------------------------------------------------------------------------------------------


@breaks("counters_advance")
def counters_32_bits(counters, increments):
    """The sum is made in 32 bits."""
    counters[...] = (counters + increments).astype(np.int32)


@breaks("losses_record")
def ring_one_late(ring, losses, iteration):
    """Row (i + 1) mod R."""
    reference("losses_record", ring, losses, iteration + 1)


# Fused ----------------------------------------------------------------------------------------------------


@breaks("fused_forward_batchnorm")
def moving_statistics_first(
    y, r, mean, rstd, moving_mean, moving_variance, x, w, b, gamma, beta, slope, eps, momentum
):
    """The rows shown to the discriminator are normalised by statistics that have moved."""
    inputs = (x, w, b, gamma, beta, slope, eps, momentum)
    reference("fused_forward_batchnorm", y, r, mean, rstd, moving_mean, moving_variance, *inputs)
    reference("fused_forward_batchnorm", y, r, mean, rstd, moving_mean.copy(), moving_variance.copy(), *inputs)


@breaks("fused_train_leaky_relu")
def dx_from_the_new_weight(
    dx, w, w_m, w_v, b, b_m, b_v, dy, x, t, slope, learning_rate, beta1, beta2, eps
):  # fmt: skip
    """The update comes before the gradient at the input."""
    reference("fused_train_dense", w, w_m, w_v, b, b_m, b_v, dy, x, t, learning_rate, beta1, beta2, eps)
    reference("fused_backward_leaky_relu", dx, dy, w, x, slope)


@breaks("fused_train_embedding")
def weight_sees_the_bare_input(
    w, w_m, w_v, b, b_m, b_v, table, table_m, table_v, dy, x, labels, t, *adam
):  # fmt: skip
    """The weight's gradient is made of x, not of x times the embedding."""
    before = [array.copy() for array in (w, w_m, w_v, b, b_m, b_v)]
    reference(
        "fused_train_embedding",
        *(w, w_m, w_v, b, b_m, b_v, table, table_m, table_v, dy, x, labels, t),
        *adam,
    )
    reference("fused_train_dense", *before, dy, x, t, *adam)
    for array, value in zip((w, w_m, w_v, b, b_m, b_v), before, strict=True):
        array[...] = value


@breaks("fused_record")
def counters_first(ring, counters, losses, increments):
    """The losses go into the next iteration's row."""
    reference("counters_advance", counters, increments)
    reference("losses_record", ring, losses, counters)
