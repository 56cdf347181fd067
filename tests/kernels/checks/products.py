"""Products of small integers, which have one right answer."""

import numpy as np

from .checking import check_of

# Dense: small integers have one right answer --------------------------------------------------------------


def _integers(*shape):
    """|a| <= 8: a sum of 4096 products stays below 2^24, so float32 holds every partial sum in any order."""
    return np.random.default_rng(shape).integers(-8, 9, shape)


@check_of("dense_forward")
def exact_forward(run):
    for m, k, n in run.shapes:
        x, w, b = _integers(m, k), _integers(k, n), _integers(n)
        np.testing.assert_array_equal(run(x=x, w=w, b=b)["y"], x @ w + b)


@check_of("dense_backward_input")
def exact_backward_input(run):
    for m, n, k in run.shapes:
        dy, w = _integers(m, n), _integers(k, n)
        np.testing.assert_array_equal(run(dy=dy, w=w)["dx"], dy @ w.T)


@check_of("dense_backward_weight")
def exact_backward_weight(run):
    for k, m, n in run.shapes:
        x, dy = _integers(m, k), _integers(m, n)
        np.testing.assert_array_equal(run(x=x, dy=dy)["dw"], x.T @ dy)


@check_of("dense_backward_bias")
def exact_backward_bias(run):
    for n, m, _ in run.shapes:
        dy = _integers(m, n)
        np.testing.assert_array_equal(run(dy=dy)["db"], dy.sum(axis=0))


# Convolution: the same --------------------------------------------------------------------------------------

#: B, P, Q, N, H, W, C, R, stride, padding.
CONVOLUTIONS = [
    *((2, 4, 5, 33, 8, 10, 3, 4, 2, 1), (1, 3, 3, 2, 7, 8, 5, 3, 2, 0), (3, 2, 3, 1, 5, 6, 1, 5, 3, 2)),
    *((2, 4, 3, 9, 10, 8, 4, 1, 3, 0), (1, 6, 6, 3, 5, 5, 2, 2, 1, 1)),
]


def _patches(x, P, Q, R, stride, padding):
    """(B, P, Q, R, R, C), element by element."""
    B, H, W, C = x.shape
    patches = np.zeros((B, P, Q, R, R, C), x.dtype)
    for p, q, r, s in np.ndindex(P, Q, R, R):
        i, j = stride * p - padding + r, stride * q - padding + s
        if 0 <= i < H and 0 <= j < W:
            patches[:, p, q, r, s] = x[:, i, j]
    return patches


@check_of("convolution_forward")
def exact_convolution(run):
    for B, P, Q, N, H, W, C, R, stride, padding in CONVOLUTIONS:
        x, w = _integers(B, H, W, C), _integers(R, R, C, N)
        y = run(x=x, w=w, P=P, Q=Q, stride=stride, padding=padding)["y"]
        expected = np.einsum("bpqrsc,rscn->bpqn", _patches(x, P, Q, R, stride, padding), w)
        np.testing.assert_array_equal(y, expected)


@check_of("convolution_backward_input")
def exact_convolution_backward_input(run):
    """By its definition: the inner products of dy with the convolution of each pixel alone."""
    for B, P, Q, N, H, W, C, R, stride, padding in CONVOLUTIONS:
        dy, w = _integers(B, P, Q, N), _integers(R, R, C, N)
        dx = run(dy=dy, w=w, H=H, W=W, stride=stride, padding=padding)["dx"]
        pixels = np.eye(H * W, dtype=int).reshape(H * W, H, W, 1)
        seen = _patches(pixels, P, Q, R, stride, padding)[..., 0]
        expected = np.einsum("ipqrs,rscn,bpqn->bic", seen, w, dy, optimize=True)
        np.testing.assert_array_equal(dx.reshape(B, H * W, C), expected)


@check_of("convolution_backward_weight")
def exact_convolution_backward_weight(run):
    for B, P, Q, N, H, W, C, R, stride, padding in CONVOLUTIONS:
        x, dy = _integers(B, H, W, C), _integers(B, P, Q, N)
        dw = run(x=x, dy=dy, R=R, stride=stride, padding=padding)["dw"]
        expected = np.einsum("bpqrsc,bpqn->rscn", _patches(x, P, Q, R, stride, padding), dy)
        np.testing.assert_array_equal(dw, expected)


@check_of("bias_add")
def exact_bias(run):
    for m, n, _ in run.shapes:
        y, b = _integers(m, n), _integers(n)
        np.testing.assert_array_equal(run(y=y, b=b)["y"], y + b)
