"""The two ends of a fused iteration on the CPU: rows of the mini-batch are drawn by whoever has time."""

from ..batch.cpu import gather_row
from ..bookkeeping.reference import counters_advance, losses_record
from ..compile import device, kernel
from ..dense.blocks import scratch
from ..philox.cpu import draw_normals, random_integers
from ..pool import POOL, share


def fused_draw(x, z, images, iteration, seed, index_stream, noise_stream):
    indices = scratch("indices", x.shape[:1], "int32")
    random_integers(indices, iteration, seed, index_stream, len(images))
    _draw(POOL.ready(), POOL.parts, x, z, images, indices, iteration, seed, noise_stream)


def fused_draw_embedding(
    x, labels, z, h, images, image_labels, table, iteration, seed, index_stream, noise_stream, label_stream
):
    indices = scratch("indices", x.shape[:1], "int32")
    random_integers(indices, iteration, seed, index_stream, len(images))
    random_integers(labels[1], iteration, seed, label_stream, len(table))
    _draw_embedding(
        POOL.ready(), POOL.parts, x, labels, z, h,
        images, image_labels, table, indices, iteration, seed, noise_stream,
    )  # fmt: skip


def fused_record(ring, counters, losses, increments):
    losses_record(ring, losses, counters)
    counters_advance(counters, increments)


@kernel
def _draw(mailbox, parts, x, z, images, indices, iteration, seed, noise_stream):
    share(mailbox, parts, _draw_part, (x, z, images, indices, iteration, seed, noise_stream))


@device
def _draw_part(number, parts, x, z, images, indices, iteration, seed, noise_stream):
    width = z.shape[2]
    for b in range(len(x) * number // parts, len(x) * (number + 1) // parts):
        gather_row(x[b], images[indices[b]])
        draw_normals(z[0, b], b * width, iteration, seed, noise_stream)
        z[1, b] = z[0, b]


@kernel
def _draw_embedding(
    mailbox, parts, x, labels, z, h, images, image_labels, table, indices, iteration, seed, noise_stream
):
    given = x, labels, z, h, images, image_labels, table, indices, iteration, seed, noise_stream
    share(mailbox, parts, _draw_embedding_part, given)


@device
def _draw_embedding_part(
    number, parts, x, labels, z, h, images, image_labels, table, indices, iteration, seed, noise_stream
):
    width = z.shape[1]
    for b in range(len(x) * number // parts, len(x) * (number + 1) // parts):
        gather_row(x[b], images[indices[b]])
        labels[0, b] = image_labels[indices[b]]
        draw_normals(z[b], b * width, iteration, seed, noise_stream)
        for half in range(2):
            for c in range(width):
                h[half, b, c] = z[b, c] * table[labels[half, b], c]
