"""Walks between noises and between labels, the picture's layout, films, and many images."""

import shutil

import numpy as np
import pytest
from commands import assert_refused, call
from PIL import Image, ImageSequence

from cgan_raw import sampler
from cgan_raw.checkpoint import load, save
from cgan_raw.images import grid
from cgan_raw.sample import __main__ as sample
from cgan_raw.sample import sheets


@pytest.fixture(scope="module")
def checkpoint(finished):
    return finished[0] / "checkpoint.safetensors"


@pytest.fixture
def draw(checkpoint, tmp_path):
    def draw(*flags, checkpoint=checkpoint):
        """The images, and the labels if there are any."""
        places = ("--out", tmp_path / "samples.png", "--npz", tmp_path / "samples.npz")
        result = call(sample.main, checkpoint, "--device", "cpu", *places, *flags)
        assert (result.code, result.err) == (0, ""), result
        with np.load(tmp_path / "samples.npz") as arrays:
            return arrays["images"], arrays["labels"].tolist() if "labels" in arrays else None

    return draw


def assert_alike(one, other):
    """A batch of another size may round one grey another way."""
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() <= 1


# Between noises -----------------------------------------------------------------------------------------------


def test_every_point_of_a_walk_is_normal_and_its_ends_are_the_noise():
    ends = np.random.default_rng(0).standard_normal((400, 100))
    walks = sheets.between_noises(ends, 5)
    assert walks.shape == (200, 5, 100)
    np.testing.assert_allclose(walks[:, 0], ends[0::2], atol=1e-12)
    np.testing.assert_allclose(walks[:, -1], ends[1::2], atol=1e-12)
    np.testing.assert_allclose(walks.std(axis=(0, 2)), 1, atol=0.03)


def test_walk_goes_from_one_noise_to_the_next_for_each_digit(draw):
    images, labels = draw("--interpolate", "--digits", "52", "--count", 4)
    assert labels == [5] * 4 + [2] * 4
    fives, _ = draw("--digits", "5", "--count", 2)
    assert_alike(images[[0, 3]], fives)
    steps = np.abs(np.diff(images[:4].astype(int), axis=0)).mean(axis=(1, 2))
    assert (steps > 0.5).all()
    assert (steps < np.abs(images[3].astype(int) - images[0]).mean()).all()


def test_digits_share_their_walks(draw):
    """Two walks a digit: row 0 and 1 of the first digit, 2 and 3 of the second."""
    images, labels = draw("--interpolate", "--digits", "77", "--grid", "4x3")
    assert labels == [7] * 12
    assert np.array_equal(images[:6], images[6:])
    assert not np.array_equal(images[:3], images[3:6])


def test_walks_of_a_plain_gan_are_rows_too(draw, finished_gan):
    checkpoint = finished_gan / "checkpoint.safetensors"
    images, _ = draw("--interpolate", "--grid", "3x4", checkpoint=checkpoint)
    ends, _ = draw("--count", 6, checkpoint=checkpoint)
    assert_alike(images[[0, 3, 4, 7, 8, 11]], ends)


# Between labels -----------------------------------------------------------------------------------------------


def test_morph_begins_and_ends_with_what_the_digits_give(draw):
    images, labels = draw("--morph", "3:8", "--grid", "5x4")
    assert labels is None
    for column, digit in ((0, 3), (3, 8)):
        assert_alike(images[column::4], draw("--digits", digit, "--count", 5)[0])


def test_morph_is_halfway_where_the_embedding_is(checkpoint, draw):
    """By a checkpoint in which digit 0 has the mean of the embeddings of 3 and 8."""
    found = load(checkpoint)
    table = found.tensors["generator.embedding.weight"]
    table[0] = (table[3] + table[8]) / 2
    middle = checkpoint.with_name("middle.safetensors")
    save(middle, found)
    images, _ = draw("--morph", "3:8", "--grid", "4x3")
    out = checkpoint.with_name("middle.npz")
    places = ("--out", middle.with_suffix(".png"), "--npz", out)
    assert call(sample.main, middle, "--device", "cpu", "--digits", 0, "--count", 4, *places).code == 0
    with np.load(out) as arrays:
        assert_alike(images[1::3], arrays["images"])


# Pictures, films and many images ------------------------------------------------------------------------------


def test_grid_is_rows_and_columns(draw, tmp_path):
    images, labels = draw("--digits", "47", "--grid", "3x4")
    assert labels == [4] * 6 + [7] * 6
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.tobytes() == grid(images, labels, columns=4).tobytes()


def test_film_goes_through_the_columns_and_back(draw, tmp_path):
    images, _ = draw("--morph", "3:8", "--grid", "2x4", "--gif", tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.info["loop"] == 0
        frames = [np.asarray(frame.convert("L")).astype(int) for frame in ImageSequence.Iterator(film)]
    assert len(frames) == 6
    captions = ["3", "", "", "8"]
    for frame, k in zip(frames, (0, 1, 2, 3, 2, 1), strict=True):
        expected = np.asarray(grid(images[k::4], [captions[k]] * 2, columns=2, scale=2)).astype(int)
        assert np.abs(frame - expected).max() <= 9  # 16 greys


def test_many_images_are_drawn_a_part_at_a_time(draw, monkeypatch):
    whole, labels = draw("--digits", "58", "--count", 10)
    monkeypatch.setattr(sampler, "_ROWS", 8)
    parts, again = draw("--digits", "58", "--count", 10)
    assert labels == again
    assert_alike(parts, whole)


@pytest.mark.parametrize(("count", "scale"), [(1_000, 3), (1_001, 1)])
def test_more_than_a_thousand_images_have_their_own_size(count, scale):
    sheet = sheets.Sheet(np.empty((count, 100)), None, None, columns=50)
    assert sheet.picture(np.zeros((count, 28, 28), np.uint8)).width == 6 + 50 * (28 * scale + 6)


# What is refused ----------------------------------------------------------------------------------------------

CONTRADICTIONS = [
    (("--morph", "3:8", "--digits", "3"), "--digits"),
    (("--gif", "walk.gif"), "--gif"),
    (("--interpolate", "--count", "1"), "--interpolate"),
    (("--morph", "3:8", "--grid", "4x1"), "--morph"),
    (("--grid", "5x5"), "--grid 5x5"),
    (("--interpolate", "--grid", "15x4"), "--grid 15x4"),
    (("--npz", "samples.png"), "samples.png"),
    *((("--morph", value), "--morph") for value in ("", "3", "3:3", "3:10", "a:b", "3:8:1", "٣:8")),
    *((("--grid", value), "--grid") for value in ("", "4", "0x4", "4x", "4x-1", "4x4x4", "a")),
]


@pytest.mark.parametrize(("flags", "named"), CONTRADICTIONS)
def test_contradiction_is_refused(flags, named, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(call(sample.main, checkpoint, *flags), named)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [("--interpolate", "--morph", "3:8"), ("--count", "3", "--grid", "3x3")])
def test_one_of_two_is_refused(flags, checkpoint):
    """argparse shows the usage first."""
    result = call(sample.main, checkpoint, *flags)
    assert result.code == 2
    assert "not allowed with" in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flag", "spelt"),
    [
        ("--out", "c.safetensors"),
        ("--out", "../x/c.safetensors"),
        ("--gif", "c.safetensors"),
        ("--npz", "../x/c.safetensors"),
    ],
)
def test_checkpoint_is_not_overwritten(flag, spelt, checkpoint, tmp_path, monkeypatch):
    folder = tmp_path / "x"
    folder.mkdir()
    path = shutil.copy(checkpoint, folder / "c.safetensors")
    monkeypatch.chdir(folder)
    flags = ("--interpolate", "--grid", "10x2", flag, spelt)
    assert_refused(call(sample.main, "c.safetensors", "--device", "cpu", *flags), "c.safetensors")
    assert path.read_bytes() == checkpoint.read_bytes()
    assert list(folder.iterdir()) == [path]
