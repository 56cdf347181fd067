"""A dense layer's backward pass and what lies below it, in NumPy: compositions of the references of single ops.

    (1)  dx = LeakyReLU'(dy w^T; x)
    (2)  dx = tanh'(dy w^T; x)
    (3)  dx = tanh'(dy w^T table[labels]; x)            x the generator's image
    (4)  dx = LeakyReLU'(dropout'(dy w^T; x_mask); x)
    (5)  dx = LeakyReLU'(batchnorm'(dy w^T; r); r)      with dgamma and dbeta
    (6)  dtable = embedding'(dy w^T; x, labels)         the dense layer's own input is x table[labels]

A name with a stroke is that op's backward pass, with what it needs behind the semicolon.  LeakyReLU's is given
its output for its input (fused_forward/reference.py says why that is the same).

The head is the last dense layer, of one column, and the loss.  What arrives at the layer below it is

    (7)  logits = y head_w + head_b,   loss, accuracy, dlogits = bce(logits, target),
         dy = LeakyReLU'(dropout'(dlogits head_w^T; mask); y)

In training, with w still as it was in (1) to (6),

    (8)  dw = x^T dy,   db = sum of dy's rows,   Adam moves w, b and whatever else has a gradient
"""

import numpy as np

from ..activation.reference import leaky_relu_backward, tanh_backward
from ..adam.reference import adam_step
from ..batchnorm.reference import batchnorm_backward
from ..bce.reference import bce_backward, bce_forward
from ..dense.reference import dense_backward_bias, dense_backward_input, dense_backward_weight, dense_forward
from ..dropout.reference import dropout_backward
from ..embedding.reference import embedding_backward_input, embedding_backward_table, embedding_forward


def fused_backward_head(loss, accuracy, dx, y, mask, head_w, head_b, w, x, x_mask, target, slope, rate):
    dlogits, dy = np.empty((len(y), 1), y.dtype), np.empty_like(y)
    _head(loss, accuracy, dlogits, dy, y, mask, head_w, head_b, target, slope, rate)
    _through_dropout(dx, dy, w, x, x_mask, slope, rate)


def fused_backward_leaky_relu(dx, dy, w, x, slope):
    dense_backward_input(dx, dy, w)
    leaky_relu_backward(dx, dx, x, slope)  # (1)


def fused_backward_tanh(dx, dy, w, x):
    dense_backward_input(dx, dy, w)
    tanh_backward(dx, dx, x)  # (2)


def fused_backward_embedding(dx, dy, w, x, table, labels):
    dense_backward_input(dx, dy, w)
    embedding_backward_input(dx, dx, table, labels)
    tanh_backward(dx, dx, x)  # (3)


def fused_train_head(
    loss, accuracy, dlogits, dx, w, w_m, w_v, b, b_m, b_v,
    y, mask, head_w, head_b, x, x_mask, t, target, slope, rate, learning_rate, beta1, beta2, eps,
):  # fmt: skip
    dy = np.empty_like(y)
    _head(loss, accuracy, dlogits, dy, y, mask, head_w, head_b, target, slope, rate)
    _through_dropout(dx, dy, w, x, x_mask, slope, rate)
    fused_train_dense(w, w_m, w_v, b, b_m, b_v, dy, x, t, learning_rate, beta1, beta2, eps)


def fused_train_leaky_relu(dx, w, w_m, w_v, b, b_m, b_v, dy, x, t, slope, learning_rate, beta1, beta2, eps):
    fused_backward_leaky_relu(dx, dy, w, x, slope)
    fused_train_dense(w, w_m, w_v, b, b_m, b_v, dy, x, t, learning_rate, beta1, beta2, eps)


def fused_train_batchnorm(
    dx, w, w_m, w_v, b, b_m, b_v, gamma, gamma_m, gamma_v, beta, beta_m, beta_v,
    dy, x, r, mean, rstd, t, slope, learning_rate, beta1, beta2, eps,
):  # fmt: skip
    d, dgamma, dbeta = np.empty_like(x), np.empty_like(gamma), np.empty_like(beta)
    dense_backward_input(d, dy, w)
    batchnorm_backward(dx, dgamma, dbeta, d, r, gamma, mean, rstd)
    leaky_relu_backward(dx, dx, r, slope)  # (5)
    adam_step(gamma, gamma_m, gamma_v, dgamma, t, learning_rate, beta1, beta2, eps)
    adam_step(beta, beta_m, beta_v, dbeta, t, learning_rate, beta1, beta2, eps)
    fused_train_dense(w, w_m, w_v, b, b_m, b_v, dy, x, t, learning_rate, beta1, beta2, eps)


def fused_train_embedding(
    w, w_m, w_v, b, b_m, b_v, table, table_m, table_v, dy, x, labels, t, learning_rate, beta1, beta2, eps
):  # fmt: skip
    h, dh, dtable = np.empty_like(x), np.empty_like(x), np.empty_like(table)
    embedding_forward(h, x, table, labels)
    dense_backward_input(dh, dy, w)
    embedding_backward_table(dtable, dh, x, labels)  # (6)
    adam_step(table, table_m, table_v, dtable, t, learning_rate, beta1, beta2, eps)
    fused_train_dense(w, w_m, w_v, b, b_m, b_v, dy, h, t, learning_rate, beta1, beta2, eps)


def fused_train_dense(w, w_m, w_v, b, b_m, b_v, dy, x, t, learning_rate, beta1, beta2, eps):
    dw, db = np.empty_like(w), np.empty_like(b)
    dense_backward_weight(dw, x, dy)
    dense_backward_bias(db, dy)
    adam_step(w, w_m, w_v, dw, t, learning_rate, beta1, beta2, eps)  # (8)
    adam_step(b, b_m, b_v, db, t, learning_rate, beta1, beta2, eps)


def _head(loss, accuracy, dlogits, dy, y, mask, head_w, head_b, target, slope, rate):
    logits = np.empty_like(dlogits)
    dense_forward(logits, y, head_w, head_b)
    bce_forward(loss, accuracy, logits, target)
    bce_backward(dlogits, logits, target)
    dense_backward_input(dy, dlogits, head_w)
    dropout_backward(dy, dy, mask, rate)
    leaky_relu_backward(dy, dy, y, slope)  # (7)


def _through_dropout(dx, dy, w, x, x_mask, slope, rate):
    dense_backward_input(dx, dy, w)
    dropout_backward(dx, dx, x_mask, rate)
    leaky_relu_backward(dx, dx, x, slope)  # (4)
