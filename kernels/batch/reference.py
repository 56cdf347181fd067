"""Gathering a mini-batch in NumPy.

    (1)  x[b] = (images[indices[b]] - 127.5) / 127.5
    (2)  y[b] = labels[indices[b]]

(1) takes pixels 0..255 to [-1, 1], the range of the generator's tanh.
"""


def batch_gather(x, y, images, labels, indices):
    x[...] = (images[indices] - 127.5) / 127.5  # (1)
    y[...] = labels[indices]  # (2)
