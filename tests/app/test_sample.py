"""The sampler draws what the checkpoint's generator gives, and says what it cannot do."""

import os

import numpy as np
import pytest
from commands import assert_refused, call, outcome, start
from PIL import Image

from cgan_raw.checkpoint import load
from cgan_raw.console import cli
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.images import grid, to_uint8
from cgan_raw.kernels.philox import reference as philox
from cgan_raw.sample import __main__ as sample

NOISE_STREAM, SEED = 128, 7


@pytest.fixture(scope="module")
def checkpoint(finished):
    return finished[0] / "checkpoint.safetensors"


def draw(checkpoint, tmp_path, *flags):
    """The images and labels that the sampler gives, as arrays."""
    flags = ("--device", "cpu", "--out", tmp_path / "samples.png", "--npz", tmp_path / "samples.npz", *flags)
    result = call(sample.main, checkpoint, *flags)
    assert (result.code, result.err) == (0, ""), result
    with np.load(tmp_path / "samples.npz") as arrays:
        assert set(arrays) == {"images", "labels"}
        return arrays["images"], arrays["labels"]


def by_hand(checkpoint, labels, seed: int) -> np.ndarray:
    """G(z, y) with the moving statistics, (n, 784) float64, written out from the networks' description."""
    t = {
        name.removeprefix("generator."): array.astype(np.float64) for name, array in checkpoint.tensors.items()
    }
    z = np.empty(len(labels) * 100)
    philox.random_normal(z, np.zeros(1, np.int64), seed, NOISE_STREAM)
    x = z.reshape(-1, 100) * t["embedding.weight"][labels]
    for i in range(3):
        x = x @ t[f"dense{i}.weight"] + t[f"dense{i}.bias"]
        x = np.where(x > 0, x, 0.2 * x)
        mean, variance = t[f"batchnorm{i}.moving_mean"], t[f"batchnorm{i}.moving_variance"]
        x = t[f"batchnorm{i}.gamma"] * (x - mean) / np.sqrt(variance + 1e-3) + t[f"batchnorm{i}.beta"]
    return np.tanh(x @ t["dense3.weight"] + t["dense3.bias"])


def test_images_are_those_of_the_generator_by_hand(checkpoint, tmp_path):
    """At most one grey level off, where float32 rounds another way than float64."""
    images, labels = draw(checkpoint, tmp_path, "--digits", "3141592", "--count", 3, "--seed", 2**64 - 5)
    pixels = (by_hand(load(checkpoint), labels, 2**64 - 5) + 1) * 127.5
    assert images.std() > 10
    assert np.abs(images.reshape(-1, 784) - pixels).max() < 0.501


def test_a_run_folder_may_be_given_in_place_of_its_checkpoint(checkpoint, tmp_path):
    images = [draw(run, tmp_path, "--digits", "7")[0] for run in (checkpoint, checkpoint.parent)]
    assert np.array_equal(*images)


def test_a_folder_without_a_checkpoint_is_one_line(tmp_path):
    result = call(sample.main, tmp_path, "--out", tmp_path / "samples.png")
    assert result.code == 2
    assert result.err.startswith(f"error: {tmp_path / 'checkpoint.safetensors'}: ")
    assert result.err.count("\n") == 1


def test_long_rows_are_folded(checkpoint, tmp_path):
    """Three digits in rows of a hundred; the last row is half full."""
    images, labels = draw(checkpoint, tmp_path, "--digits", "314", "--count", 150)
    assert np.bincount(labels).tolist() == [0, 150, 0, 150, 150]
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.tobytes() == grid(images, labels, columns=100).tobytes()


def test_seed_of_the_run_gives_the_pictures_of_its_grid(finished, checkpoint, tmp_path):
    images, labels = draw(checkpoint, tmp_path, "--seed", SEED, "--count", 1)
    with Image.open(finished[0] / "samples" / "000060.png") as picture:
        assert picture.tobytes() == grid(images, labels, columns=5).tobytes()


def test_arrays_have_these_shapes_and_types(checkpoint, tmp_path):
    images, labels = draw(checkpoint, tmp_path)
    assert (images.shape, images.dtype) == ((100, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((100,), np.uint8)
    assert labels.tolist() == [digit for digit in range(10) for _ in range(10)]


def test_digits_come_in_the_order_given_and_as_often(checkpoint, tmp_path):
    images, labels = draw(checkpoint, tmp_path, "--digits", "3010", "--count", 2)
    assert labels.tolist() == [3, 3, 0, 0, 1, 1, 0, 0]
    assert len({image.tobytes() for image in images}) == 8


def test_seed_decides_the_noise(checkpoint, tmp_path):
    first, again, other = (draw(checkpoint, tmp_path, "--count", 1, "--seed", s)[0] for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_picture_has_a_row_for_each_digit(checkpoint, tmp_path):
    images, labels = draw(checkpoint, tmp_path, "--digits", "42", "--count", 3)
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.format == "PNG"
        assert picture.tobytes() == grid(images, labels, columns=3).tobytes()
        assert picture.width > picture.height


def test_grid_places_images_row_by_row():
    """Pictures of one grey each, enlarged three times: cell (row, column) has image row * columns + column."""
    images = np.repeat(np.arange(10, 16, dtype=np.uint8), 784).reshape(6, 28, 28)
    sheet = np.asarray(grid(images, range(6), columns=3))
    for i, row in enumerate(np.array_split(sheet, 2)):
        for j, cell in enumerate(np.array_split(row, 3, axis=1)):
            assert (cell == 10 + 3 * i + j).sum() >= 84 * 84


def test_grid_writes_the_labels():
    images = np.zeros((2, 28, 28), np.uint8)
    one, other, again = (grid(images, labels, columns=2).tobytes() for labels in ((1, 2), (1, 3), (1, 2)))
    assert one == again != other


def test_process_of_its_own_writes_where_it_stands(checkpoint, tmp_path):
    result = outcome(start("-m", "cgan_raw.sample", checkpoint, "--count", 1, cwd=tmp_path))
    assert (result.code, result.out, result.err) == (0, "10 images in samples.png\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


BAD_FLAGS = [
    ("--digits", ""),
    ("--digits", "12a"),
    ("--digits", "-1"),
    ("--digits", "1 2"),
    ("--digits", "٣"),
    ("--count", "0"),
    ("--count", "-3"),
    ("--count", str(2**63 - 1)),
    ("--count", str(10**20)),
    ("--seed", "-1"),
    ("--seed", str(2**64)),
]


@pytest.mark.parametrize(("flag", "value"), BAD_FLAGS)
def test_bad_flag_is_refused(flag, value, checkpoint, tmp_path):
    out = tmp_path / "samples.png"
    assert_refused(call(sample.main, checkpoint, f"{flag}={value}", "--out", out), flag)
    assert not out.exists()


@pytest.mark.parametrize("flags", [("--count", 10**6 + 1), ("--grid", "5000x2001", "--digits", "3")])
def test_more_images_than_kernels_can_index_are_refused(flags, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "backend", lambda _: pytest.fail("something is made"))
    assert_refused(call(sample.main, checkpoint, *flags, "--out", tmp_path / "samples.png"), *flags[:2])


def test_missing_or_damaged_checkpoint_is_refused(checkpoint, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(checkpoint.read_bytes()[:-1])
    for path in (tmp_path / "none.safetensors", damaged, tmp_path):
        assert_refused(call(sample.main, path, "--out", tmp_path / "samples.png"), path)
    assert not (tmp_path / "samples.png").exists()


@pytest.mark.parametrize("flag", ["--out", "--npz"])
def test_folder_that_is_missing_is_refused_before_anything_is_drawn(flag, checkpoint, tmp_path):
    out = tmp_path / "none" / "file"
    assert_refused(call(sample.main, checkpoint, "--out", tmp_path / "good.png", flag, out), out)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["--out", "--npz"])
def test_place_that_cannot_be_written_is_named(flag, checkpoint, tmp_path):
    """A folder in the file's place stops root too.  Nothing is drawn."""
    place = tmp_path / "taken"
    place.mkdir()
    result = call(sample.main, checkpoint, "--count", 1, "--out", tmp_path / "good.png", flag, place)
    assert_refused(result, place, os.strerror(21))
    assert list(tmp_path.rglob("*")) == [place]


def test_pipe_is_refused_and_left_in_place(checkpoint, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        assert_refused(call(sample.main, checkpoint, "--out", tmp_path / name), tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}


def test_folder_that_cannot_be_written_is_refused(checkpoint, tmp_path, monkeypatch):
    """Root could write everywhere."""
    monkeypatch.setattr(os, "access", lambda folder, mode: (folder, mode) != (tmp_path, os.W_OK))
    assert_refused(call(sample.main, checkpoint, "--out", tmp_path / "samples.png"), tmp_path / "samples.png")
    assert_refused(call(evaluate.main, checkpoint, "--out", tmp_path), tmp_path)


def test_folder_of_what_is_only_read_need_not_be_writable(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != checkpoint.parent)
    assert call(sample.main, checkpoint, "--count", 1, "--out", tmp_path / "samples.png").code == 0


@pytest.mark.parametrize("flag", ["--out", "--npz"])
def test_empty_path_is_refused(flag, checkpoint):
    result = call(sample.main, checkpoint, flag, "")
    assert result.code == 2
    assert result.err.splitlines()[-1].endswith(f"argument {flag}: must not be empty")


# Pixels -----------------------------------------------------------------------------------------------------


def as_pixels(values) -> list[int]:
    return to_uint8(np.resize(np.asarray(values), (1, 784))).ravel()[: len(values)].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_grey_comes_back(dtype):
    greys = np.arange(256, dtype=np.uint8)
    scaled = ((greys.astype(dtype) - dtype(127.5)) / dtype(127.5)).astype(dtype)
    assert as_pixels(scaled) == greys.tolist()


def test_values_are_rounded_to_the_nearest_grey():
    greys = np.arange(255)
    below, above = ((greys + 0.5 + nudge) / 127.5 - 1 for nudge in (-1e-3, 1e-3))
    assert as_pixels(below) == greys.tolist()
    assert as_pixels(above) == (greys + 1).tolist()


def test_ends_of_the_range_and_beyond_are_black_and_white():
    assert as_pixels([-1.0, 1.0, -1.1, 1.1]) == [0, 255, 0, 255]


def test_pictures_have_their_rows_in_order():
    values = np.arange(2 * 784).reshape(2, 784) % 256 / 127.5 - 1
    assert np.array_equal(to_uint8(values), (np.arange(2 * 784) % 256).reshape(2, 28, 28))
