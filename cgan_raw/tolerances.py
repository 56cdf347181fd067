"""How far float32 may be from a reference in float64: bounds on what rounding does to sums, and to what is made
of them.

A sum of K products may be off by 2 K u sum |products|, where u is half the epsilon of its dtype: ``SUMS``.  A
fused op goes on from such a sum, so its error is carried through what follows, to first order: ``BOUNDS``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from .kernels.batchnorm.reference import part_rows
from .kernels.registry import ops

#: The arguments of a call by name, in float64.
Arguments = SimpleNamespace


def _normalised(a: Arguments) -> np.ndarray:
    return (a.x - a.mean) * a.rstd


def _batchnorm_dx(a: Arguments) -> tuple[int, np.ndarray]:
    """dx is gamma rstd times three terms, two of them sums over the batch, with ten roundings around them."""
    size, rows = abs(_normalised(a)), len(a.dy)
    shares = (abs(a.dy).sum(axis=0) + size * (abs(a.dy) * size).sum(axis=0)) / rows
    return rows + 10, abs(a.gamma) * a.rstd * (abs(a.dy) + shares)


def _dx_of_parts(a: Arguments) -> np.ndarray:
    size = abs(_normalised(a))
    shares = (abs(a.dbetas).sum(axis=0) + size * abs(a.dgammas).sum(axis=0)) / len(a.dy)
    return abs(a.gamma) * a.rstd * (abs(a.dy) + shares)


def _normalised_by_parts(a: Arguments) -> tuple[int, np.ndarray]:
    """y is gamma rstd (x - mean) + beta; mean and variance are sums over the parts of all ranks."""
    ranks, _, parts, _ = a.moments.shape
    means, squares = a.moments[:, 0], a.moments[:, 1]
    share = np.array([[len(a.x[rows])] for rows in part_rows(len(a.x), parts)]) / (ranks * len(a.x))
    mean = (share * means).sum(axis=(0, 1))
    variance = (squares / (ranks * len(a.x)) + share * (means - mean) ** 2).sum(axis=(0, 1))
    terms = abs(a.x) + (share * abs(means)).sum(axis=(0, 1)) + abs(a.x - mean)
    return ranks * parts + 10, abs(a.gamma) * terms / np.sqrt(variance + a.eps) + abs(a.beta)


def _by_part(values: np.ndarray, parts: int) -> np.ndarray:
    """The sums over parts of the rows."""
    return np.array([values[rows].sum(axis=0) for rows in part_rows(len(values), parts)])


def _by_label(values: np.ndarray, labels: np.ndarray, rows: int) -> np.ndarray:
    """For each row of a table, the sum of the values' rows that carry its label."""
    return (labels == np.arange(rows)[:, None]).astype(float) @ values


def _convolved(name: str, out: np.ndarray, one: np.ndarray, other: np.ndarray, a: Arguments):
    """The terms of each sum, and the same op on absolute values."""
    op, magnitude = ops()[name], np.empty(out.shape)
    values = (magnitude, abs(one), abs(other), a.stride, a.padding)
    op.implementation("reference")(*values)
    return op.product(**op.sizes(values))[2], magnitude


#: Destinations that are sums of products: (arguments) -> (K, sum of |products|).
SUMS: dict[tuple[str, str], Callable[[Arguments], tuple[int, np.ndarray]]] = {
    ("dense_forward", "y"): lambda a: (len(a.w), abs(a.x) @ abs(a.w) + abs(a.b)),
    ("dense_backward_input", "dx"): lambda a: (a.w.shape[1], abs(a.dy) @ abs(a.w.T)),
    ("dense_backward_weight", "dw"): lambda a: (len(a.x), abs(a.x.T) @ abs(a.dy)),
    ("dense_backward_bias", "db"): lambda a: (len(a.dy), abs(a.dy).sum(axis=0)),
    ("convolution_forward", "y"): lambda a: _convolved("convolution_forward", a.y, a.x, a.w, a),
    ("convolution_backward_input", "dx"): lambda a: _convolved(
        "convolution_backward_input", a.dx, a.dy, a.w, a
    ),
    ("convolution_backward_weight", "dw"): lambda a: _convolved(
        "convolution_backward_weight", a.dw, a.x, a.dy, a
    ),
    ("embedding_backward_table", "dtable"): lambda a: (
        len(a.x),
        _by_label(abs(a.dy * a.x), a.labels, len(a.dtable)),
    ),
    ("batchnorm_backward", "dbeta"): lambda a: (len(a.dy), abs(a.dy).sum(axis=0)),
    # Two of the three factors of each product are rounded before it.
    ("batchnorm_backward", "dgamma"): lambda a: (len(a.dy) + 2, abs(a.dy * _normalised(a)).sum(axis=0)),
    ("batchnorm_backward", "dx"): _batchnorm_dx,
    ("batchnorm_sums", "dbetas"): lambda a: (len(a.dy), _by_part(abs(a.dy), len(a.dbetas))),
    ("batchnorm_sums", "dgammas"): lambda a: (
        len(a.dy) + 2,
        _by_part(abs(a.dy * _normalised(a)), len(a.dgammas)),
    ),
    ("batchnorm_normalise", "y"): _normalised_by_parts,
    ("batchnorm_dx", "dbeta"): lambda a: (len(a.dbetas), abs(a.dbetas).sum(axis=0)),
    ("batchnorm_dx", "dgamma"): lambda a: (len(a.dgammas), abs(a.dgammas).sum(axis=0)),
    ("batchnorm_dx", "dx"): lambda a: (len(a.dgammas) + 10, _dx_of_parts(a)),
}


# Fused ops ------------------------------------------------------------------------------------------------
# Of a value and its error are made those of what follows.  u is the epsilon, tf what a product's factors add.

_FEW = 10  # roundings around a sum


def _product(a, b, u, tf):
    """a b, and how far it may be off."""
    return a @ b, ((a.shape[-1] + _FEW) * u + tf) * (abs(a) @ abs(b))


def _forward(a, u, tf, x=None):
    """x w + b."""
    value, error = _product(a.x if x is None else x, a.w, u, tf)
    return value + a.b, error + _FEW * u * abs(a.b)


def _normalise(a, u, tf):
    """The errors of fused_forward_batchnorm's destinations."""
    (shown, shown_error), (r, r_error) = (_forward(a, u, tf, half) for half in a.x)
    r, rows = np.where(r > 0, r, a.slope * r), len(r)
    mean_error = r_error.mean(axis=0) + (rows + _FEW) * u * abs(r).mean(axis=0)
    centred, off = r - r.mean(axis=0), r_error + mean_error
    variance = (centred**2).mean(axis=0)
    variance_error = (2 * abs(centred) * off + off**2).mean(axis=0) + (rows + _FEW) * u * variance
    rstd = 1 / np.sqrt(variance + a.eps)
    rstd_error = rstd**3 * variance_error
    trained = abs(a.gamma) * (off * rstd + abs(centred) * rstd_error)
    given = abs(a.gamma) / np.sqrt(a.moving_variance + a.eps)
    shown_error = given * (shown_error + _FEW * u * (abs(shown) + abs(a.moving_mean)))
    return {
        "y": np.stack([shown_error, trained]),
        "r": r_error,
        "mean": mean_error,
        "rstd": rstd_error,
        "moving_mean": mean_error,
        "moving_variance": variance_error,
    }


def _head(a, u):
    """What arrives below the head, and the errors of what is recorded."""
    logits, error = _product(a.y, a.head_w, u, 0)
    logits, error = logits + a.head_b, error + _FEW * u * abs(a.head_b)
    dlogits = (1 / (1 + np.exp(-logits)) - a.target) / len(a.y)
    dlogits_error = error / 4 / len(a.y) + _FEW * u / len(a.y)
    through = a.mask / (1 - a.rate) * np.where(a.y > 0, 1, a.slope)
    dy = dlogits * a.head_w.T * through
    dy_error = dlogits_error * abs(a.head_w.T) * through + _FEW * u * abs(dy)
    recorded = {"loss": error.mean(), "accuracy": (abs(logits) <= error).mean(), "dlogits": dlogits_error}
    return dy, dy_error, recorded


def _input(a, u, tf, dy, dy_error=0.0):
    """dy w^T."""
    value, error = _product(dy, a.w.T, u, tf)
    return value, error + (dy_error @ abs(a.w.T) if np.ndim(dy_error) else 0)


def _adam(a, name, u, gradient, error):
    """The errors of a parameter and its moments, from that of its gradient."""
    m, v = getattr(a, f"{name}_m"), getattr(a, f"{name}_v")
    m, v = a.beta1 * m + (1 - a.beta1) * gradient, a.beta2 * v + (1 - a.beta2) * gradient**2
    m_error = (1 - a.beta1) * (error + _FEW * u * abs(gradient))
    v_error = (1 - a.beta2) * (2 * abs(gradient) + error) * (error + _FEW * u * abs(gradient))
    t, root = float(a.t[0]), np.sqrt(v) + a.eps
    rate = a.learning_rate * np.sqrt(1 - a.beta2**t) / (1 - a.beta1**t)
    moved = rate * (m_error / root + abs(m) * v_error / (2 * np.sqrt(v) * root**2))
    return {name: moved, f"{name}_m": m_error, f"{name}_v": v_error}


def _dense(a, u, tf, dy, x, dy_error=None):
    """The errors of w, b and their moments."""
    dw, dw_error = _product(x.T, dy, u, tf)
    db_error = (len(dy) + _FEW) * u * abs(dy).sum(axis=0)
    if dy_error is not None:
        dw_error, db_error = dw_error + abs(x.T) @ dy_error, db_error + dy_error.sum(axis=0)
    return _adam(a, "w", u, dw, dw_error) | _adam(a, "b", u, dy.sum(axis=0), db_error)


def _train_batchnorm(a, u, tf):
    d, error = _input(a, u, tf, a.dy)
    xhat, terms = (a.r - a.mean) * a.rstd, (len(d) + _FEW) * u
    dgamma_error = (error * abs(xhat) + terms * abs(d * xhat)).sum(axis=0)
    dbeta_error = (error + terms * abs(d)).sum(axis=0)
    rows, shares = len(d), abs(d) + abs(d).mean(axis=0) + abs(xhat) * abs(d * xhat).mean(axis=0)
    off = error + dbeta_error / rows + abs(xhat) * dgamma_error / rows + _FEW * u * shares
    return {
        "dx": abs(a.gamma) * a.rstd * off,
        **_adam(a, "gamma", u, (d * xhat).sum(axis=0), dgamma_error),
        **_adam(a, "beta", u, d.sum(axis=0), dbeta_error),
        **_dense(a, u, tf, a.dy, a.x),
    }


def _train_embedding(a, u, tf):
    d, error = _input(a, u, tf, a.dy)
    error = error * abs(a.x) + (len(d) + _FEW) * u * abs(d * a.x)
    gradient, error = (_by_label(values, a.labels, len(a.table)) for values in (d * a.x, error))
    return _adam(a, "table", u, gradient, error) | _dense(a, u, tf, a.dy, a.x * a.table[a.labels])


def _through_dropout(a, u, tf, trained):
    dy, dy_error, recorded = _head(a, u)
    errors = recorded | {"dx": _input(a, u, tf, dy, dy_error)[1] * a.x_mask / (1 - a.rate)}
    return errors | (_dense(a, u, tf, dy, a.x, dy_error) if trained else {})


#: Op -> (arguments, u, tf) -> the error of each destination, beside what any real may be off.
BOUNDS: dict[str, Callable[[Arguments, float, float], dict[str, np.ndarray]]] = {
    "fused_forward_leaky_relu": lambda a, u, tf: {"y": _forward(a, u, tf)[1]},
    "fused_forward_embedding": lambda a, u, tf: {"y": _forward(a, u, tf, a.x * a.table[a.labels])[1]},
    "fused_forward_dropout": lambda a, u, tf: {"y": _forward(a, u, tf)[1] / (1 - a.rate)},
    "fused_forward_batchnorm": _normalise,
    "fused_forward_tanh": lambda a, u, tf: {"y": _forward(a, u, tf)[1]},
    "fused_backward_head": lambda a, u, tf: _through_dropout(a, u, tf, trained=False),
    "fused_backward_leaky_relu": lambda a, u, tf: {"dx": _input(a, u, tf, a.dy)[1]},
    "fused_backward_tanh": lambda a, u, tf: {"dx": _input(a, u, tf, a.dy)[1] * abs(1 - a.x**2)},
    "fused_backward_embedding": lambda a, u, tf: {
        "dx": _input(a, u, tf, a.dy)[1] * abs(a.table[a.labels] * (1 - a.x**2))
    },
    "fused_train_head": lambda a, u, tf: _through_dropout(a, u, tf, trained=True),
    "fused_train_leaky_relu": lambda a, u, tf: {"dx": _input(a, u, tf, a.dy)[1]} | _dense(a, u, tf, a.dy, a.x),
    "fused_train_batchnorm": _train_batchnorm,
    "fused_train_embedding": _train_embedding,
    "fused_train_dense": lambda a, u, tf: _dense(a, u, tf, a.dy, a.x),
}
