"""The conditional DCGAN once more, as independent.py has the other models: from the definition alone.

A transposed convolution is a convolution here, of an image that has zeros between its pixels.
"""

import numpy as np
from independent import adam, integers, normals, uniforms
from numpy.lib.stride_tricks import sliding_window_view

STREAMS = {
    "generator.embedding": 80,
    "generator.dense0": 81,
    "generator.transposed0": 82,
    "generator.transposed1": 83,
    "discriminator.embedding": 84,
    "discriminator.convolution0": 85,
    "discriminator.convolution1": 86,
    "discriminator.dense0": 87,
    "discriminator.dense1": 88,
}
SHAPES = {
    "generator.embedding": (10, 100),
    "generator.dense0": (100, 7 * 7 * 128),
    "generator.transposed0": (4, 4, 64, 128),
    "generator.transposed1": (4, 4, 1, 64),
    "discriminator.embedding": (10, 128),
    "discriminator.convolution0": (4, 4, 1, 64),
    "discriminator.convolution1": (4, 4, 64, 128),
    "discriminator.dense0": (7 * 7 * 128, 128),
    "discriminator.dense1": (128, 1),
}
BIASES = {
    "generator.transposed1": 1,
    "discriminator.convolution0": 64,
    "discriminator.dense0": 128,
    "discriminator.dense1": 1,
}
BATCHNORMS = {"generator.batchnorm0": 128, "generator.batchnorm1": 64, "discriminator.batchnorm0": 128}


def initial_state(seed):
    """Every tensor of a checkpoint before iteration 1."""
    s = {}
    for name, shape in SHAPES.items():
        where = np.prod(shape), STREAMS[name], 0, seed
        drawn = 0.3 * (2 * uniforms(*where) - 1) if "embedding" in name else 0.02 * normals(*where)
        s[f"{name}.weight"] = drawn.reshape(shape)
    for name, width in BIASES.items():
        s[f"{name}.bias"] = np.zeros(width)
    for name, width in BATCHNORMS.items():
        s[f"{name}.gamma"], s[f"{name}.beta"] = np.ones(width), np.zeros(width)
    for name in list(s):
        s[f"adam.m.{name}"], s[f"adam.v.{name}"] = np.zeros_like(s[name]), np.zeros_like(s[name])
    for name, width in BATCHNORMS.items():
        s[f"{name}.moving_mean"], s[f"{name}.moving_variance"] = np.zeros(width), np.ones(width)
    return s


def windows(images, margin, step):
    """(B, H, W, C, 4, 4): the squares of 4 x 4 that one meets in steps, with zeros around the images."""
    framed = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    return sliding_window_view(framed, (4, 4), axis=(1, 2))[:, ::step, ::step]


def convolved(x, w):
    """Rows of large images -> rows of images of half the side."""
    side = round((x.shape[1] // w.shape[2]) ** 0.5)
    seen = windows(x.reshape(-1, side, side, w.shape[2]), 1, 2)
    return np.einsum("bpqcrs,rscn->bpqn", seen, w, optimize=True).reshape(len(x), -1)


def transposed(x, w):
    """Rows of small images -> rows of images of twice the side."""
    side = round((x.shape[1] // w.shape[3]) ** 0.5)
    spread = np.zeros((len(x), 2 * side - 1, 2 * side - 1, w.shape[3]))
    spread[:, ::2, ::2] = x.reshape(-1, side, side, w.shape[3])
    seen = windows(spread, 2, 1)
    return np.einsum("bijnrs,rscn->bijc", seen, w[::-1, ::-1], optimize=True).reshape(len(x), -1)


def weight_gradient(large, small, shape):
    """From both images or what has become of them."""
    side = round((large.shape[1] // shape[2]) ** 0.5)
    seen = windows(large.reshape(-1, side, side, shape[2]), 1, 2)
    small = small.reshape(-1, side // 2, side // 2, shape[3])
    return np.einsum("bpqcrs,bpqn->rscn", seen, small, optimize=True)


def normalise(s, name, x, training):
    """y, and what its backward pass needs; in training the moving statistics go on."""
    rows = x.reshape(-1, len(s[f"{name}.gamma"]))
    mean, var = s[f"{name}.moving_mean"], s[f"{name}.moving_variance"]
    if training:
        s[f"{name}.moving_mean"] = 0.8 * mean + 0.2 * rows.mean(0)
        s[f"{name}.moving_variance"] = 0.8 * var + 0.2 * rows.var(0)
        mean, var = rows.mean(0), rows.var(0)
    root = np.sqrt(var + 1e-3)
    n = (rows - mean) / root
    return (s[f"{name}.gamma"] * n + s[f"{name}.beta"]).reshape(x.shape), (n, root)


def normalise_back(s, g, name, dy, saved):
    n, root = saved
    d = dy.reshape(n.shape)
    g[f"{name}.gamma"], g[f"{name}.beta"] = (d * n).sum(0), d.sum(0)
    d = d * s[f"{name}.gamma"]
    return ((d - d.mean(0) - n * (d * n).mean(0)) / root).reshape(dy.shape)


def generate(s, z, y, training):
    """Images, and what the backward pass needs."""
    a = z * s["generator.embedding.weight"][y]
    b, norm0 = normalise(s, "generator.batchnorm0", a @ s["generator.dense0.weight"], training)
    c = np.maximum(b, 0)
    d, norm1 = normalise(s, "generator.batchnorm1", transposed(c, s["generator.transposed0.weight"]), training)
    e = np.maximum(d, 0)
    image = np.tanh(transposed(e, s["generator.transposed1.weight"]) + s["generator.transposed1.bias"])
    return image, (z, y, a, norm0, b, c, norm1, d, e)


def generator_gradients(s, image, saved, dimage):
    (z, y, a, norm0, b, c, norm1, d, e), g = saved, {}
    dx = dimage * (1 - image**2)
    g["generator.transposed1.bias"] = dx.sum().reshape(1)
    g["generator.transposed1.weight"] = weight_gradient(dx, e, (4, 4, 1, 64))
    dx = (d > 0) * convolved(dx, s["generator.transposed1.weight"])
    dx = normalise_back(s, g, "generator.batchnorm1", dx, norm1)
    g["generator.transposed0.weight"] = weight_gradient(dx, c, (4, 4, 64, 128))
    dx = (b > 0) * convolved(dx, s["generator.transposed0.weight"])
    dx = normalise_back(s, g, "generator.batchnorm0", dx, norm0)
    g["generator.dense0.weight"] = a.T @ dx
    g["generator.embedding.weight"] = np.eye(10)[y].T @ (dx @ s["generator.dense0.weight"].T * z)
    return g


def discriminate(s, x, y, target):
    """Loss, how many logits are on the right side, the parameters' gradients, and the gradient at x."""
    net, g, batch = "discriminator.", {}, len(x)
    first, second = s[net + "convolution0.weight"], s[net + "convolution1.weight"]
    a = convolved(x, first) + np.tile(s[net + "convolution0.bias"], 14 * 14)
    b = np.where(a > 0, a, 0.2 * a)
    c, norm = normalise(s, net + "batchnorm0", convolved(b, second), training=True)
    d = np.where(c > 0, c, 0.2 * c)
    e = d @ s[net + "dense0.weight"] + s[net + "dense0.bias"]
    f, factor = np.where(e > 0, e, 0.2 * e), s[net + "embedding.weight"][y]
    logit = f * factor @ s[net + "dense1.weight"] + s[net + "dense1.bias"]
    loss = np.mean(np.maximum(logit, 0) - logit * target + np.log1p(np.exp(-abs(logit))))
    right = np.sum((logit > 0) == (target == 1))
    dx = (1 / (1 + np.exp(-logit)) - target) / batch
    g[net + "dense1.weight"], g[net + "dense1.bias"] = (f * factor).T @ dx, dx.sum(0)
    dx = dx @ s[net + "dense1.weight"].T
    g[net + "embedding.weight"] = np.eye(10)[y].T @ (dx * f)
    dx = dx * factor * np.where(e > 0, 1, 0.2)
    g[net + "dense0.weight"], g[net + "dense0.bias"] = d.T @ dx, dx.sum(0)
    dx = dx @ s[net + "dense0.weight"].T * np.where(c > 0, 1, 0.2)
    dx = normalise_back(s, g, net + "batchnorm0", dx, norm)
    g[net + "convolution1.weight"] = weight_gradient(b, dx, (4, 4, 64, 128))
    dx = transposed(dx, second) * np.where(a > 0, 1, 0.2)
    g[net + "convolution0.weight"] = weight_gradient(x, dx, (4, 4, 1, 64))
    g[net + "convolution0.bias"] = dx.reshape(-1, 64).sum(0)
    return loss, right, g, transposed(dx, first)


def iterate(s, images, labels, batch, iteration, seed):
    """One iteration, in place: (d_loss, d_accuracy, g_loss)."""
    where = iteration, seed
    rows = integers(batch, len(images), 0, *where)
    x, y = (images[rows] - 127.5) / 127.5, labels[rows]
    z = normals(batch * 100, 1, *where).reshape(batch, 100)
    wanted = integers(batch, 10, 2, *where)
    fake, _ = generate(s, z, y, training=True)
    losses, rights = [], 0
    for phase, (data, target) in enumerate(((x, 1), (fake, 0))):
        loss, right, g, _ = discriminate(s, data, y, target)
        adam(s, g, 2 * iteration - 1 + phase)
        losses.append(loss)
        rights += right
    fake, saved = generate(s, z, wanted, training=True)
    g_loss, _, _, dfake = discriminate(s, fake, wanted, 1)
    adam(s, generator_gradients(s, fake, saved, dfake), iteration)
    return sum(losses) / 2, rights / (2 * batch), g_loss
