"""The whole of training once more, straight down in NumPy float64, sharing no code with the package.

Written from the definition of what is computed (networks, losses, Adam, Algorithm 1, random streams) and from
nothing else, so that agreement says that the layers, the models and the iteration mean what they should.  A
state is a dict of arrays under the names that a checkpoint has.
"""

import numpy as np

WIDTHS = {"generator": (100, 256, 512, 1024, 784), "discriminator": (784, 512, 512, 512, 1)}
FIRST_STREAM = {"generator": 64, "discriminator": 69}


def words(n, stream, iteration, seed):
    """The first n words of a Philox4x32-10 stream, as uint64."""
    mask, half = np.uint64(2**32 - 1), np.uint64(32)
    c0 = np.arange((n + 3) // 4, dtype=np.uint64)
    c1, c2, c3 = (np.full_like(c0, c) for c in (stream, iteration % 2**32, iteration // 2**32))
    k0, k1 = seed % 2**32, seed // 2**32
    for _ in range(10):
        a, b = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (b >> half) ^ c1 ^ np.uint64(k0), b & mask
        c2, c3 = (a >> half) ^ c3 ^ np.uint64(k1), a & mask
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.column_stack((c0, c1, c2, c3)).reshape(-1)[:n]


def uniforms(n, *where):
    return (words(n, *where) // 256) / 2**24


def integers(n, high, *where):
    return (words(n, *where) * np.uint64(high) // 2**32).astype(int)


def normals(n, *where):
    u = uniforms(n + n % 2, *where)
    u1, u2 = u[::2] + 2.0**-24, u[1::2]
    z = np.sqrt(-2 * np.log(u1)) * np.exp(2j * np.pi * u2)
    return np.column_stack((z.real, z.imag)).reshape(-1)[:n]


def initial_state(seed):
    """Every tensor of a checkpoint before iteration 1."""
    s = {}
    for net, widths in WIDTHS.items():
        stream = FIRST_STREAM[net]
        shapes = {f"{net}.embedding.weight": ((10, widths[0]), 0.05, stream)}
        for i in range(4):
            limit = np.sqrt(6 / (widths[i] + widths[i + 1]))
            shapes[f"{net}.dense{i}.weight"] = (widths[i : i + 2], limit, stream + 1 + i)
            s[f"{net}.dense{i}.bias"] = np.zeros(widths[i + 1])
        for name, (shape, limit, where) in shapes.items():
            s[name] = ((2 * uniforms(shape[0] * shape[1], where, 0, seed) - 1) * limit).reshape(shape)
    for i, width in enumerate(WIDTHS["generator"][1:4]):
        s[f"generator.batchnorm{i}.gamma"], s[f"generator.batchnorm{i}.beta"] = np.ones(width), np.zeros(width)
    for name in list(s):
        s[f"adam.m.{name}"], s[f"adam.v.{name}"] = np.zeros_like(s[name]), np.zeros_like(s[name])
    for i, width in enumerate(WIDTHS["generator"][1:4]):
        s[f"generator.batchnorm{i}.moving_mean"] = np.zeros(width)
        s[f"generator.batchnorm{i}.moving_variance"] = np.ones(width)
    return s


def generate(s, z, y, training):
    """Images, and what the backward pass needs.  In training the moving statistics are updated."""
    tape, h = [], z * s["generator.embedding.weight"][y]
    for i in range(3):
        bn = f"generator.batchnorm{i}."
        a = h @ s[f"generator.dense{i}.weight"] + s[f"generator.dense{i}.bias"]
        r = np.where(a > 0, a, 0.2 * a)
        mean, var = s[bn + "moving_mean"], s[bn + "moving_variance"]
        if training:
            s[bn + "moving_mean"] = 0.8 * mean + 0.2 * r.mean(0)
            s[bn + "moving_variance"] = 0.8 * var + 0.2 * r.var(0)
            mean, var = r.mean(0), r.var(0)
        n = (r - mean) / np.sqrt(var + 1e-3)
        tape.append((h, a, n, np.sqrt(var + 1e-3)))
        h = s[bn + "gamma"] * n + s[bn + "beta"]
    image = np.tanh(h @ s["generator.dense3.weight"] + s["generator.dense3.bias"])
    return image, (tape, h, z, y)


def generator_gradients(s, image, saved, dimage):
    (tape, h, z, y), g = saved, {}
    d = dimage * (1 - image**2)
    for i in (3, 2, 1, 0):
        if i < 3:
            (h, a, n, root), bn = tape[i], f"generator.batchnorm{i}."
            g[bn + "gamma"], g[bn + "beta"] = (d * n).sum(0), d.sum(0)
            d = d * s[bn + "gamma"]
            d = (d - d.mean(0) - n * (d * n).mean(0)) / root
            d = np.where(a > 0, d, 0.2 * d)
        g[f"generator.dense{i}.weight"], g[f"generator.dense{i}.bias"] = h.T @ d, d.sum(0)
        d = d @ s[f"generator.dense{i}.weight"].T
    g["generator.embedding.weight"] = np.eye(10)[y].T @ (d * z)
    return g


def discriminate(s, x, y, target, phase, iteration, seed):
    """Loss, how many logits are on the right side, the parameters' gradients, and the gradient at x."""
    net, batch, g = "discriminator.", len(x), {}
    h, tape = x * s[net + "embedding.weight"][y], []
    for i in range(3):
        a = h @ s[f"{net}dense{i}.weight"] + s[f"{net}dense{i}.bias"]
        keep = np.ones((batch, 512))
        if i > 0:
            u = uniforms(batch * 512, 16 + 4 * phase + (i - 1), iteration, seed).reshape(batch, 512)
            keep = (u >= 0.4) / 0.6
        slope = np.where(a > 0, 1, 0.2) * keep
        tape.append((h, slope))
        h = a * slope
    logit = h @ s[net + "dense3.weight"] + s[net + "dense3.bias"]
    loss = np.mean(np.maximum(logit, 0) - logit * target + np.log1p(np.exp(-abs(logit))))
    right = np.sum((logit > 0) == (target == 1))
    d = (1 / (1 + np.exp(-logit)) - target) / batch
    for i in (3, 2, 1, 0):
        if i < 3:
            h, slope = tape[i]
            d = d * slope
        g[f"{net}dense{i}.weight"], g[f"{net}dense{i}.bias"] = h.T @ d, d.sum(0)
        d = d @ s[f"{net}dense{i}.weight"].T
    g[net + "embedding.weight"] = np.eye(10)[y].T @ (d * x)
    return loss, right, g, d * s[net + "embedding.weight"][y]


def adam(s, gradients, t, learning_rate=2e-4, b1=0.5, b2=0.999):
    for name, g in gradients.items():
        m = s["adam.m." + name] = b1 * s["adam.m." + name] + (1 - b1) * g
        v = s["adam.v." + name] = b2 * s["adam.v." + name] + (1 - b2) * g**2
        s[name] = s[name] - learning_rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + 1e-7)


def iterate(s, images, labels, batch, iteration, seed):
    """One iteration, in place: (d_loss, d_accuracy, g_loss)."""
    where = iteration, seed
    rows = integers(batch, len(images), 0, *where)
    x, y = (images[rows] - 127.5) / 127.5, labels[rows]
    z = normals(batch * 100, 1, *where).reshape(batch, 100)
    wanted = integers(batch, 10, 2, *where)
    fake, _ = generate(s, z, y, training=False)
    losses, rights = [], 0
    for phase, (data, target) in enumerate(((x, 1), (fake, 0))):
        loss, right, g, _ = discriminate(s, data, y, target, phase, *where)
        adam(s, g, 2 * iteration - 1 + phase)
        losses.append(loss)
        rights += right
    fake, saved = generate(s, z, wanted, training=True)
    g_loss, _, _, dfake = discriminate(s, fake, wanted, 1, 2, *where)
    adam(s, generator_gradients(s, fake, saved, dfake), iteration)
    return sum(losses) / 2, rights / (2 * batch), g_loss
