"""A dense layer's backward pass on the CPU: whoever has rows of w, which are columns of dx, makes of them the
gradient at the input, goes on with that, and updates the rows, all while they are in the core's cache.

In a part, k is the first row of a block of w, and ``wide`` the number of its rows; rows.py has what is done
with them.
"""

from ..adam.cpu import adam_scalars, adam_update
from ..bce.cpu import bce_backward, bce_forward
from ..compile import device, kernel
from ..dense.blocks import product, scratch
from ..dense.microkernel import matrix
from ..pool import POOL, share
from .rows import (
    HIGH,
    blocks_of_rows,
    buffers_for,
    input_gradient,
    pack_arriving,
    update_bias,
    update_rows,
)


def fused_backward_leaky_relu(dx, dy, w, x, slope):
    _leaky_relu(POOL.ready(), POOL.parts, dx, dy, w, x, slope, buffers_for(x, dy))


def fused_backward_tanh(dx, dy, w, x):
    _tanh(POOL.ready(), POOL.parts, dx, dy, w, x, buffers_for(x, dy))


def fused_backward_embedding(dx, dy, w, x, table, labels):
    _embedding(POOL.ready(), POOL.parts, dx, dy, w, x, table, labels, buffers_for(x, dy))


def fused_backward_head(loss, accuracy, dx, y, mask, head_w, head_b, w, x, x_mask, target, slope, rate):
    dlogits, dy = scratch("dlogits", (len(y), 1), y.dtype), scratch("arriving", y.shape, y.dtype)
    _head(
        POOL.ready(), POOL.parts, loss, accuracy, dlogits, dy, dx,
        y, mask, head_w, head_b, w, x, x_mask, target, slope, rate, buffers_for(x, dy),
    )  # fmt: skip


def fused_train_head(
    loss, accuracy, dlogits, dx, w, w_m, w_v, b, b_m, b_v,
    y, mask, head_w, head_b, x, x_mask, t, target, slope, rate, learning_rate, beta1, beta2, eps,
):  # fmt: skip
    dy = scratch("arriving", y.shape, y.dtype)
    _train_head(
        POOL.ready(), POOL.parts, loss, accuracy, dlogits, dy, dx, (w, w_m, w_v), (b, b_m, b_v),
        y, mask, head_w, head_b, x, x_mask, t, target, slope, rate, (learning_rate, beta1, beta2, eps),
        buffers_for(x, dy), scratch("db", b.shape, b.dtype),
    )  # fmt: skip


def fused_train_leaky_relu(dx, w, w_m, w_v, b, b_m, b_v, dy, x, t, slope, learning_rate, beta1, beta2, eps):
    _train_leaky_relu(
        POOL.ready(), POOL.parts, dx, (w, w_m, w_v), (b, b_m, b_v), dy, x, t, slope,
        (learning_rate, beta1, beta2, eps), buffers_for(x, dy), scratch("db", b.shape, b.dtype),
    )  # fmt: skip


def fused_train_batchnorm(
    dx, w, w_m, w_v, b, b_m, b_v, gamma, gamma_m, gamma_v, beta, beta_m, beta_v,
    dy, x, r, mean, rstd, t, slope, learning_rate, beta1, beta2, eps,
):  # fmt: skip
    of_columns = scratch("dgamma", gamma.shape, gamma.dtype), scratch("dbeta", beta.shape, beta.dtype)
    _train_batchnorm(
        POOL.ready(), POOL.parts, dx, (w, w_m, w_v), (b, b_m, b_v),
        (gamma, gamma_m, gamma_v), (beta, beta_m, beta_v), dy, x, r, (mean, rstd), t, slope,
        (learning_rate, beta1, beta2, eps), buffers_for(x, dy), scratch("db", b.shape, b.dtype), of_columns,
    )  # fmt: skip


def fused_train_embedding(
    w, w_m, w_v, b, b_m, b_v, table, table_m, table_v, dy, x, labels, t, learning_rate, beta1, beta2, eps
):  # fmt: skip
    h, dtable = scratch("h", x.shape, x.dtype), scratch("dtable", table.shape, table.dtype)
    _train_embedding(
        POOL.ready(), POOL.parts, (w, w_m, w_v), (b, b_m, b_v), (table, table_m, table_v), dy, x, labels, t,
        (learning_rate, beta1, beta2, eps), buffers_for(x, dy), scratch("db", b.shape, b.dtype), h, dtable,
    )  # fmt: skip


def fused_train_dense(w, w_m, w_v, b, b_m, b_v, dy, x, t, learning_rate, beta1, beta2, eps):
    """A single column is one row in memory, and tiles are wider than they are high: dw^T = dy^T x."""
    weight, left, right = (w, w_m, w_v), x, dy
    if w.shape[1] == 1:
        weight, left, right = tuple(each.T for each in weight), dy, x
    _train_dense(
        POOL.ready(), POOL.parts, weight, (b, b_m, b_v), dy, right, left, t,
        (learning_rate, beta1, beta2, eps), buffers_for(left, right), scratch("db", b.shape, b.dtype),
    )  # fmt: skip


# LeakyReLU and tanh below ---------------------------------------------------------------------------------


@kernel
def _leaky_relu(mailbox, parts, dx, dy, w, x, slope, buffers):
    pack_arriving(dy, buffers)
    share(mailbox, parts, _leaky_relu_part, (dx, w, x, slope, buffers))


@device
def _leaky_relu_part(number, parts, dx, w, x, slope, buffers):
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        input_gradient(dx, w, buffers, w, w, k + wide, k, wide)
        _through_leaky_relu(dx, x, slope, k, wide)


@device
def _through_leaky_relu(dx, x, slope, k, wide):
    a = dx.dtype.type(slope)
    for m in range(len(dx)):
        g, v = dx[m, k : k + wide], x[m, k : k + wide]
        for n in range(wide):
            g[n] = g[n] if v[n] > 0 else a * g[n]


@kernel
def _train_leaky_relu(mailbox, parts, dx, weight, bias, dy, x, t, slope, adam, buffers, db):
    scalars = adam_scalars(x, t[0], adam[0], adam[1], adam[2], adam[3])
    pack_arriving(dy, buffers)
    update_bias(bias, dy, scalars, db)
    share(mailbox, parts, _train_leaky_relu_part, (dx, weight, dy, x, slope, scalars, buffers))


@device
def _train_leaky_relu_part(number, parts, dx, weight, dy, x, slope, scalars, buffers):
    w = weight[0]
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        input_gradient(dx, w, buffers, weight[1], weight[2], k, k, wide)
        _through_leaky_relu(dx, x, slope, k, wide)
        update_rows(weight, x, scalars, buffers, k, wide)


@kernel
def _tanh(mailbox, parts, dx, dy, w, x, buffers):
    pack_arriving(dy, buffers)
    share(mailbox, parts, _tanh_part, (dx, w, x, buffers))


@device
def _tanh_part(number, parts, dx, w, x, buffers):
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        input_gradient(dx, w, buffers, w, w, k + wide, k, wide)
        for m in range(len(dx)):
            g, v = dx[m, k : k + wide], x[m, k : k + wide]
            for n in range(wide):
                g[n] *= dx.dtype.type(1) - v[n] * v[n]


# The embedding below --------------------------------------------------------------------------------------


@kernel
def _embedding(mailbox, parts, dx, dy, w, x, table, labels, buffers):
    pack_arriving(dy, buffers)
    share(mailbox, parts, _embedding_part, (dx, w, x, table, labels, buffers))


@device
def _embedding_part(number, parts, dx, w, x, table, labels, buffers):
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        input_gradient(dx, w, buffers, w, w, k + wide, k, wide)
        for m in range(len(dx)):
            g, v, factor = dx[m, k : k + wide], x[m, k : k + wide], table[labels[m], k : k + wide]
            for n in range(wide):
                g[n] = g[n] * factor[n] * (dx.dtype.type(1) - v[n] * v[n])


@kernel
def _train_embedding(mailbox, parts, weight, bias, embedding, dy, x, labels, t, adam, buffers, db, h, dtable):
    scalars = adam_scalars(x, t[0], adam[0], adam[1], adam[2], adam[3])
    pack_arriving(dy, buffers)
    update_bias(bias, dy, scalars, db)
    given = weight, embedding, dy, x, labels, scalars, buffers, h, dtable
    share(mailbox, parts, _train_embedding_part, given)


@device
def _train_embedding_part(number, parts, weight, embedding, dy, x, labels, scalars, buffers, h, dtable):
    """h is the gradient at the embedding's output, then that output itself."""
    w, (table, table_m, table_v) = weight[0], embedding
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        end = k + wide
        input_gradient(h, w, buffers, weight[1], weight[2], k, k, wide)
        for v in range(len(table)):
            dtable[v, k:end] = 0
        for m in range(len(x)):
            gradient, v, g, factor = h[m, k:end], x[m, k:end], dtable[labels[m], k:end], table[labels[m], k:end]
            for n in range(wide):
                g[n] += gradient[n] * v[n]
                gradient[n] = v[n] * factor[n]
        for v in range(len(table)):
            adam_update(table[v, k:end], table_m[v, k:end], table_v[v, k:end], dtable[v, k:end], scalars)
        update_rows(weight, h, scalars, buffers, k, wide)


@kernel
def _train_dense(mailbox, parts, weight, bias, dy, right, left, t, adam, buffers, db):
    scalars = adam_scalars(left, t[0], adam[0], adam[1], adam[2], adam[3])
    pack_arriving(right, buffers)
    update_bias(bias, dy, scalars, db)
    share(mailbox, parts, _train_dense_part, (weight, left, scalars, buffers))


@device
def _train_dense_part(number, parts, weight, left, scalars, buffers):
    for k in blocks_of_rows(weight[0], number, parts):
        update_rows(weight, left, scalars, buffers, k, min(HIGH, left.shape[1] - k))


# Batch normalisation below --------------------------------------------------------------------------------


@kernel
def _train_batchnorm(
    mailbox, parts, dx, weight, bias, gamma, beta, dy, x, r, statistics, t, slope, adam, buffers, db, of_columns
):
    scalars = adam_scalars(x, t[0], adam[0], adam[1], adam[2], adam[3])
    pack_arriving(dy, buffers)
    update_bias(bias, dy, scalars, db)
    given = dx, weight, gamma, beta, dy, x, r, statistics, slope, scalars, buffers, of_columns
    share(mailbox, parts, _train_batchnorm_part, given)


@device
def _train_batchnorm_part(
    number, parts, dx, weight, gamma, beta, dy, x, r, statistics, slope, scalars, buffers, of_columns
):
    w, (mean, rstd), (dgamma, dbeta) = weight[0], statistics, of_columns
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        end = k + wide
        input_gradient(dx, w, buffers, weight[1], weight[2], k, k, wide)
        of_block = gamma[0][k:end], mean[k:end], rstd[k:end], dgamma[k:end], dbeta[k:end]
        _through_batchnorm(dx, r, of_block, slope, k, wide)
        adam_update(gamma[0][k:end], gamma[1][k:end], gamma[2][k:end], dgamma[k:end], scalars)
        adam_update(beta[0][k:end], beta[1][k:end], beta[2][k:end], dbeta[k:end], scalars)
        update_rows(weight, x, scalars, buffers, k, wide)


@device
def _through_batchnorm(dx, r, of_block, slope, k, wide):
    """And through the LeakyReLU below it: batchnorm/cpu.py for a block's columns."""
    gamma, mean, rstd, dgamma, dbeta = of_block
    a, part = dx.dtype.type(slope), dx.dtype.type(1.0 / len(dx))
    dgamma[:] = 0
    dbeta[:] = 0
    for m in range(len(dx)):
        g, v = dx[m, k : k + wide], r[m, k : k + wide]
        for n in range(wide):
            dbeta[n] += g[n]
            dgamma[n] += g[n] * ((v[n] - mean[n]) * rstd[n])
    for m in range(len(dx)):
        g, v = dx[m, k : k + wide], r[m, k : k + wide]
        for n in range(wide):
            xhat = (v[n] - mean[n]) * rstd[n]
            d = gamma[n] * rstd[n] * (g[n] - part * (dbeta[n] + xhat * dgamma[n]))
            g[n] = d if v[n] > 0 else a * d


# The head, and dropout below ------------------------------------------------------------------------------


@kernel
def _head(
    mailbox, parts, loss, accuracy, dlogits, dy, dx,
    y, mask, head_w, head_b, w, x, x_mask, target, slope, rate, buffers,
):  # fmt: skip
    _from_the_loss(loss, accuracy, dlogits, dy, y, mask, head_w, head_b, target, slope, rate)
    pack_arriving(dy, buffers)
    share(mailbox, parts, _head_part, (dx, w, x, x_mask, slope, rate, buffers))


@device
def _head_part(number, parts, dx, w, x, x_mask, slope, rate, buffers):
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        input_gradient(dx, w, buffers, w, w, k + wide, k, wide)
        _through_dropout(dx, x, x_mask, slope, rate, k, wide)


@kernel
def _train_head(
    mailbox, parts, loss, accuracy, dlogits, dy, dx, weight, bias,
    y, mask, head_w, head_b, x, x_mask, t, target, slope, rate, adam, buffers, db,
):  # fmt: skip
    scalars = adam_scalars(x, t[0], adam[0], adam[1], adam[2], adam[3])
    _from_the_loss(loss, accuracy, dlogits, dy, y, mask, head_w, head_b, target, slope, rate)
    pack_arriving(dy, buffers)
    update_bias(bias, dy, scalars, db)
    share(mailbox, parts, _train_head_part, (dx, weight, dy, x, x_mask, slope, rate, scalars, buffers))


@device
def _train_head_part(number, parts, dx, weight, dy, x, x_mask, slope, rate, scalars, buffers):
    w = weight[0]
    for k in blocks_of_rows(w, number, parts):
        wide = min(HIGH, len(w) - k)
        input_gradient(dx, w, buffers, weight[1], weight[2], k, k, wide)
        _through_dropout(dx, x, x_mask, slope, rate, k, wide)
        update_rows(weight, x, scalars, buffers, k, wide)


@device
def _from_the_loss(loss, accuracy, dlogits, dy, y, mask, head_w, head_b, target, slope, rate):
    """The loss, and what arrives at the product below the head, by reference.py (7)."""
    real, columns = y.dtype.type, head_w.ravel()
    a, kept = real(slope), real(1.0 / (1.0 - rate))
    rows, depth = y.shape
    logits, factor, start = matrix(dlogits.ravel(), 0, 1), matrix(y.ravel(), 0, depth), matrix(head_b, 0, 0)
    product(logits, factor, matrix(columns, 0, 1), start, rows, head_w.shape[1], depth)
    bce_forward(loss, accuracy, dlogits, target)
    bce_backward(dlogits, dlogits, target)
    for m in range(len(y)):
        through, arriving, value, kept_here = dlogits[m, 0] * kept, dy[m], y[m], mask[m]
        for n in range(len(value)):
            g = through * columns[n] if kept_here[n] else real(0)
            arriving[n] = g if value[n] > 0 else a * g


@device
def _through_dropout(dx, x, x_mask, slope, rate, k, wide):
    """And through the LeakyReLU below it."""
    real = dx.dtype.type
    a, kept = real(slope), real(1.0 / (1.0 - rate))
    for m in range(len(dx)):
        g, v, mask = dx[m, k : k + wide], x[m, k : k + wide], x_mask[m, k : k + wide]
        for n in range(wide):
            d = g[n] * kept if mask[n] else real(0)
            g[n] = d if v[n] > 0 else a * d
