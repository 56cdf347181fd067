"""What each op must do beside agreeing with the reference: values known beforehand, moments and invariants.

A check takes ``run``, which calls one implementation: ``run(x=..., slope=0.2, C=5)`` draws what is not given
and returns the destinations.  It raises AssertionError, so that a broken kernel can be shown to be rejected.
"""

import math

import numpy as np
import philox

from cgan_raw.testing import call, make_arguments

CHECKS = {}  #: check -> the op it is for, in reading order
LARGE = set()  #: checks of so many elements that none is for kernels whose threads are run by Python


def check_of(op_name, large=False):
    def register(function):
        CHECKS[function] = op_name
        if large:
            LARGE.add(function)
        return function

    return register


def runner(op, kernel, real=np.float32, device=None, shapes=None):
    """``run`` for an implementation.  Sizes that no given array has are keywords, or 1.

    ``run.shapes`` are those of the exact products: ``SHAPES``, unless told otherwise.
    """

    def run(**given):
        sizes = {d: given.pop(d, 1) for d in op.dims}  # a scalar that is a size, too
        for argument in op.arguments:
            if argument.dims and argument.name in given:
                sizes |= zip(argument.dims, np.shape(given[argument.name]), strict=True)
        arguments = make_arguments(op, sizes, np.random.default_rng(0), real, **given)
        return call(op, kernel, arguments, *([device] if device else []))

    run.shapes = SHAPES if shapes is None else shapes
    return run


def close(actual, expected, atol=1e-6, rtol=1e-4):
    error = np.abs(np.asarray(actual, np.float64) - expected)
    assert not np.any(~(error <= atol + rtol * np.abs(expected))), (actual, expected)


def equal(actual, expected):
    """Bit for bit as numbers, and with the same sign of zero."""
    expected = np.asarray(expected, actual.dtype)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))


# LeakyReLU and tanh ---------------------------------------------------------------------------------------

TINY = 2.0**-120
KINK = [[0.0, -0.0, TINY, -TINY, 3.0, -3.0]]


@check_of("leaky_relu_forward")
def kink_forward(run):
    equal(run(x=KINK, slope=0.25)["y"], [[0.0, -0.0, TINY, -TINY / 4, 3.0, -0.75]])


@check_of("leaky_relu_backward")
def kink_backward(run):
    equal(run(x=KINK, dy=[[8.0] * 6], slope=0.25)["dx"], [[2.0, 2.0, 8.0, 2.0, 8.0, 2.0]])


@check_of("tanh_forward")
def tanh_saturates(run):
    equal(run(x=[[0.0, -0.0, 50.0, -50.0, 1e4]])["y"], [[0.0, -0.0, 1.0, -1.0, 1.0]])


# Adam -----------------------------------------------------------------------------------------------------

HYPER = {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "eps": 1e-7}


@check_of("adam_step")
def zero_gradient_from_rest_moves_nothing(run):
    p = np.linspace(-2, 2, 9)
    out = run(p=p, m=np.zeros(9), v=np.zeros(9), g=np.zeros(9), t=[3], **HYPER)
    equal(out["p"], p)
    equal(out["m"], np.zeros(9))
    equal(out["v"], np.zeros(9))


@check_of("adam_step")
def zero_gradient_decays_and_still_moves(run):
    p, m, v = np.array([1.0, -1.0, 0.0]), np.array([0.25, -0.5, 0.0]), np.array([0.04, 1.0, 0.25])
    out = run(p=p, m=m, v=v, g=np.zeros(3), t=[2], **HYPER)
    close(out["m"], m / 2)
    close(out["v"], 0.999 * v)
    moved = 2e-4 * math.sqrt(1 - 0.999**2) / (1 - 0.5**2) * (m / 2) / (np.sqrt(0.999 * v) + 1e-7)
    close(out["p"] - p, -moved, atol=1.2e-7)  # the rounding of p itself
    assert out["p"][0] != p[0]


@check_of("adam_step")
def moments_of_the_first_step_are_exact(run):
    """To a few roundings: 1 - 0.999 is not formed in float."""
    g = np.float32([1.0, -1e-3, 3e-6, 0.0])
    out = run(g=g, p=np.zeros(4), m=np.zeros(4), v=np.zeros(4), t=[1], **HYPER)
    close(out["m"], 0.5 * g.astype(np.float64), atol=0, rtol=3e-7)
    close(out["v"], 0.001 * g.astype(np.float64) ** 2, atol=0, rtol=3e-7)


@check_of("adam_step")
def constant_gradient_has_a_closed_form(run):
    """From rest, m = (1 - beta1^t) g and v = (1 - beta2^t) g^2, so the step is known."""
    g, state = np.array([1.0, -1e-3, 3e-6, 0.0]), {"p": np.zeros(4), "m": np.zeros(4), "v": np.zeros(4)}
    expected = np.zeros(4)
    for t in range(1, 8):
        state = run(g=g, t=[t], **state, **HYPER)
        root = math.sqrt(1 - 0.999**t)
        expected -= 2e-4 * root * g / (root * np.abs(g) + 1e-7)
        close(state["m"], (1 - 0.5**t) * g, atol=0, rtol=1e-5)
        close(state["v"], (1 - 0.999**t) * g * g, atol=0, rtol=1e-4)
        close(state["p"], expected, atol=0, rtol=1e-4)


@check_of("adam_step")
def late_steps_are_not_corrected(run):
    """Both powers have vanished after the iterations of a long run, also where t needs more than 32 bits."""
    for t in (40_000, 2**33):
        out = run(p=[1.0, 1.0], m=[0.25, -1.0], v=[0.25, 4.0], g=[0.25, -1.0], t=[t], **HYPER)
        moved = (
            2e-4 * np.array([0.25, -1.0]) / np.sqrt(0.999 * np.array([0.25, 4]) + 0.001 * np.array([0.0625, 1]))
        )
        close(out["p"] - 1, -moved, atol=1.2e-7)


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


# The mini-batch and the embedding -------------------------------------------------------------------------


@check_of("batch_gather")
def pixels_to_the_range_of_tanh(run):
    images = np.arange(512).reshape(2, 256) % 256
    images[1] = 255 - images[1]
    out = run(images=images, labels=[3, 9], indices=[1, 0, 1])
    equal(out["y"], [9, 3, 9])
    close(out["x"], (images[[1, 0, 1]] - 127.5) / 127.5)
    equal(out["x"][1, [0, 255]], [-1.0, 1.0])


@check_of("embedding_backward_table")
def table_gradient_sums_columns(run):
    """Rows that no label names are exactly zero; over all rows, each column has what its products add up to."""
    rng = np.random.default_rng(1)
    dy, x, labels = rng.integers(-8, 9, (40, 33)), rng.integers(-8, 9, (40, 33)), rng.choice([0, 3, 8], 40)
    table = run(dy=dy, x=x, labels=labels, V=10)["dtable"]
    unnamed = [1, 2, 4, 5, 6, 7, 9]
    equal(table[unnamed], np.zeros((7, 33)))
    np.testing.assert_array_equal(table.sum(axis=0), (dy * x).sum(axis=0))
    for v in (0, 3, 8):
        np.testing.assert_array_equal(table[v], (dy * x)[labels == v].sum(axis=0))


# Binary cross-entropy -------------------------------------------------------------------------------------


@check_of("bce_forward")
def loss_at_extreme_logits(run):
    for logit, target, loss, accuracy in (
        (0, 1, math.log(2), 0),  # p is 1/2, which is not on the side of "real"
        (0, 0, math.log(2), 1),
        (100, 1, 0, 1),
        (100, 0, 100, 0),
        (-100, 1, 100, 0),
        (-100, 0, 0, 1),
        (1e4, 0, 1e4, 0),
    ):
        out = run(logits=[[logit]], target=target)
        close(out["loss"], [loss])
        equal(out["accuracy"], [accuracy])
    out = run(logits=[[100.0], [-100.0], [0.0], [1.0]], target=1)
    close(out["loss"], [(100 + math.log(2) + math.log1p(math.exp(-1))) / 4])
    equal(out["accuracy"], [0.5])


@check_of("bce_backward")
def gradient_at_extreme_logits(run):
    logits = [[100.0], [-100.0], [0.0], [1e4]]
    close(run(logits=logits, target=1)["dlogits"], [[0], [-0.25], [-0.125], [0]], rtol=1e-6)
    close(run(logits=logits, target=0)["dlogits"], [[0.25], [0], [0.125], [0.25]], rtol=1e-6)


# Batch normalisation --------------------------------------------------------------------------------------


@check_of("batchnorm_forward_train")
def normalised_moments(run):
    """Each column of y has mean beta and variance gamma^2 var / (var + eps), whatever the columns of x have."""
    rng = np.random.default_rng(2)
    x = np.float32(rng.standard_normal((65, 40)) * np.geomspace(0.01, 10, 40) + rng.uniform(-3, 3, 40))
    gamma, beta, variance = rng.uniform(-2, 2, 40), rng.uniform(-2, 2, 40), x.astype(np.float64).var(axis=0)
    y = run(x=x, gamma=gamma, beta=beta, eps=1e-3)["y"].astype(np.float64)
    close(y.mean(axis=0), beta, atol=1e-4)
    close(y.var(axis=0), gamma**2 * variance / (variance + 1e-3), rtol=1e-3)


@check_of("batchnorm_forward_train")
def variance_survives_a_large_mean(run):
    """E[x^2] - E[x]^2 would lose it: the squares are 10^6 times the variance."""
    x = np.float32(np.random.default_rng(3).standard_normal((32, 40)) + 1000)
    rstd = run(x=x, eps=1e-3)["rstd"]
    close(rstd, 1 / np.sqrt(x.astype(np.float64).var(axis=0) + 1e-3))


@check_of("batchnorm_forward_train")
def one_row_is_its_own_mean(run):
    out = run(x=[[3.0, -5.0]], beta=[0.5, -0.5], moving_mean=[0, 0], moving_variance=[1, 1], momentum=0.8)
    equal(out["y"], [[0.5, -0.5]])
    equal(out["mean"], [3.0, -5.0])
    close(out["moving_mean"], [0.6, -1.0])
    close(out["moving_variance"], [0.8, 0.8])


@check_of("batchnorm_backward")
def gradient_ignores_shift_and_scale(run):
    """y hardly changes when x is shifted or stretched, so dx is orthogonal to both directions."""
    rng = np.random.default_rng(4)
    x, dy = rng.standard_normal((33, 20)), rng.standard_normal((33, 20))
    mean, rstd = x.mean(axis=0), 1 / x.std(axis=0)
    dx = run(x=x, dy=dy, mean=mean, rstd=rstd, gamma=np.ones(20))["dx"].astype(np.float64)
    close(dx.sum(axis=0), 0, atol=1e-4)
    close((dx * (x - mean)).sum(axis=0), 0, atol=1e-4)


# Dense: small integers have one right answer --------------------------------------------------------------

SIZES = (1, 31, 32, 33, 127, 129, 784, 1000)
SHAPES = [(m, SIZES[-1 - i], SIZES[(i + 3) % 8]) for i, m in enumerate(SIZES)] + [(2, 4096, 3), (4096, 3, 2)]
SMALL_SHAPES = [(1, 33, 31), (32, 1, 33), (33, 31, 1), (2, 129, 3), (33, 7, 65)]


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


# Bookkeeping ----------------------------------------------------------------------------------------------


@check_of("counters_advance")
def counters_are_64_bits_wide(run):
    out = run(counters=[0, 2**40, -1, 2**32 - 1], increments=[1, 2, 2, 1])
    equal(out["counters"], [1, 2**40 + 2, 1, 2**32])


@check_of("losses_record")
def ring_wraps_around(run):
    ring = np.zeros((3, 2))
    for iteration in range(2**32 - 2, 2**32 + 3):
        ring = run(ring=ring, losses=[iteration % 7, 0.5], iteration=[iteration])["ring"]
    expected = {i % 3: [i % 7, 0.5] for i in range(2**32, 2**32 + 3)}
    equal(ring, [expected[row] for row in range(3)])
