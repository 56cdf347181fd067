"""The two ends of a fused iteration in NumPy: compositions of the references of single ops.

    (1)  x = the images that random integers name, z = normals, twice the same
    (2)  x and labels[0] = the images and labels that random integers name, z = normals,
         labels[1] = random integers,  h[i] = z table[labels[i]]
    (3)  ring[counters[0] mod R] = losses,  then  counters += increments

In (2) h is what enters the generator's first dense layer: for the images that the discriminator is shown, and
for those that the generator learns from.  In (1), of a plain GAN, that is z both times.
"""

import numpy as np

from ..batch.reference import batch_gather
from ..bookkeeping.reference import counters_advance, losses_record
from ..embedding.reference import embedding_forward
from ..philox.reference import random_integers, random_normal


def fused_draw(x, z, images, iteration, seed, index_stream, noise_stream):
    no_labels = np.zeros(len(images), np.uint8)
    indices, y = np.empty((2, len(x)), np.int32)
    random_integers(indices, iteration, seed, index_stream, len(images))
    batch_gather(x, y, images, no_labels, indices)
    random_normal(z[0].reshape(-1), iteration, seed, noise_stream)
    z[1] = z[0]  # (1)


def fused_draw_embedding(
    x, labels, z, h, images, image_labels, table, iteration, seed, index_stream, noise_stream, label_stream
):
    indices = np.empty(len(x), np.int32)
    random_integers(indices, iteration, seed, index_stream, len(images))
    batch_gather(x, labels[0], images, image_labels, indices)
    random_normal(z.reshape(-1), iteration, seed, noise_stream)
    random_integers(labels[1], iteration, seed, label_stream, len(table))
    for half, of_half in zip(h, labels, strict=True):
        embedding_forward(half, z, table, of_half)  # (2)


def fused_record(ring, counters, losses, increments):
    losses_record(ring, losses, counters)
    counters_advance(counters, increments)  # (3)
