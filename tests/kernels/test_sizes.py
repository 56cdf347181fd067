"""Arrays of more elements than an int can count are read rightly or refused."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from cgan_raw import config
from cgan_raw.kernels import dispatch, registry, simt
from cgan_raw.kernels.simt import interpreter

#: So many images that the place of a late pixel, in 32 bits, is that of an early one.
IMAGES, PIXELS = 2**32 // 784 + 2_000, 784

TABLES = {
    "cpu": partial(registry.table, "cpu"),
    "cuda": lambda: dispatch.table(simt.Executor()),
    "numba_cuda": lambda: dispatch.table(interpreter.Executor()),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """(IMAGES, 784) zeros that take no room, with a few ones."""
    path = tmp_path_factory.mktemp("sizes") / "images"
    with path.open("wb") as file:
        file.truncate(IMAGES * PIXELS)
    images = np.memmap(path, np.uint8, "r+", shape=(IMAGES, PIXELS))
    images[-1, 5], images[-1_000, 0], images[-500, -1] = 200, 100, 50
    return images.view(np.ndarray)


@pytest.mark.parametrize("backend", TABLES)
def test_images_beyond_32_bits_are_gathered(backend, images):
    x, y = np.full((3, PIXELS), np.nan, np.float32), np.zeros(3, np.int32)
    labels = np.zeros(IMAGES, np.uint8)
    labels[-1] = 9
    rows = np.array([IMAGES - 1, IMAGES - 1_000, IMAGES - 500], np.int32)
    TABLES[backend]().batch_gather(x, y, images, labels, rows)
    expected = np.zeros((3, PIXELS))
    expected[0, 5], expected[1, 0], expected[2, -1] = 200, 100, 50
    np.testing.assert_allclose(x, (expected - 127.5) / 127.5, rtol=1e-6)
    assert y.tolist() == [9, 0, 0]


def call_with(op, argument, shape):
    """The arguments of a call of an op in which one array has this shape; none of them has any memory."""
    sizes = dict.fromkeys(op.dims, 1) | dict(zip(argument.dims, shape, strict=True))
    return [
        sizes.get(a.name) if a.dims is None else SimpleNamespace(shape=a.shape(sizes)) for a in op.arguments
    ]


def largest_numeral(op):
    """How many times as large as the sizes alone make it an array may be."""
    return max((int(d) for a in op.arguments for d in a.dims or () if d.isdigit()), default=1)


ARRAYS = [
    pytest.param(op, argument, id=f"{op.name}-{argument.name}")
    for op in registry.ops().values()
    for argument in op.arguments
    if argument.dims is not None and not any(d.isdigit() or d in op.most for d in argument.dims)
]


@pytest.mark.parametrize(("op", "argument"), ARRAYS)
def test_array_of_too_many_elements_is_refused_unless_the_contract_says_otherwise(op, argument):
    times = largest_numeral(op)
    most = {1: (2**30,), 2: (2**20, 2**10), 4: (2**8, 2**8, 2**6, 2**8)}[len(argument.dims)]
    enough, too_many = (most[0] // times, *most[1:]), (*most[:-1], most[-1] + 1)
    op.sizes(call_with(op, argument, enough))
    if argument.name in op.wide:
        op.sizes(call_with(op, argument, too_many))
    else:
        with pytest.raises(ValueError, match=rf"{op.name}: \w+ is .*more than 2\^30 elements"):
            op.sizes(call_with(op, argument, too_many))


@pytest.mark.parametrize(
    ("op", "dim"), [pytest.param(op, d, id=f"{op.name}-{d}") for op in registry.ops().values() for d in op.most]
)
def test_a_size_beyond_the_contracts_is_refused(op, dim):
    argument = next(a for a in op.arguments if a.dims and dim in a.dims)
    shape = argument.shape(dict.fromkeys(op.dims, 1) | {dim: op.most[dim]})
    op.sizes(call_with(op, argument, shape))
    shape = argument.shape(dict.fromkeys(op.dims, 1) | {dim: op.most[dim] + 1})
    with pytest.raises(ValueError, match=f"{op.name}: {dim} is {op.most[dim] + 1}, more than {op.most[dim]}"):
        op.sizes(call_with(op, argument, shape))


def test_only_the_images_of_a_data_set_may_have_more():
    wide = {name: op.wide for name, op in registry.ops().items() if op.wide}
    assert wide == dict.fromkeys(("batch_gather", "fused_draw", "fused_draw_embedding"), ("images",))


def test_largest_batch_can_be_indexed():
    widest = max(*config.GENERATOR_WIDTHS, *config.DISCRIMINATOR_WIDTHS, config.PIXELS, config.LATENT)
    largest = config.TrainConfig(batch_size=2**20).batch_size
    assert widest * largest <= registry.MOST_ELEMENTS
    with pytest.raises(ValueError, match="--batch-size"):
        config.TrainConfig(batch_size=2**20 + 1)
