"""Gathering a mini-batch on the CPU."""

from ..compile import device, kernel


@kernel
def batch_gather(x, y, images, labels, indices):
    for b in range(indices.size):
        y[b] = labels[indices[b]]
        gather_row(x[b], images[indices[b]])


@device
def gather_row(x, image):
    middle = x.dtype.type(127.5)
    for p in range(image.size):
        x[p] = (x.dtype.type(image[p]) - middle) / middle
