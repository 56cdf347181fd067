"""Gathering a mini-batch in NumPy.

    (1)  x[b] = (images[indices[b]] - 127.5) / 127.5     pixels 0..255 to [-1, 1], the range of tanh
    (2)  y[b] = labels[indices[b]]
"""


def batch_gather(x, y, images, labels, indices):
    x[...] = (images[indices] - 127.5) / 127.5  # (1)
    y[...] = labels[indices]  # (2)
