"""Products, and the fused ops that are made of them."""

import numpy as np

from .breaking import breaks, reference

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
