"""A plain GAN from the command line: its run says what it is, goes on as it, and is asked for no digit."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from commands import assert_refused, call
from PIL import Image

from cgan_raw.checkpoint import Checkpoint, load, save
from cgan_raw.config import TrainConfig
from cgan_raw.errors import InputError
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train


@pytest.fixture(scope="module")
def checkpoint(finished_gan):
    return finished_gan / "checkpoint.safetensors"


def draw(checkpoint, tmp_path, *flags):
    """The images, and all names in the .npz."""
    places = ("--out", tmp_path / "samples.png", "--npz", tmp_path / "samples.npz")
    result = call(sample.main, checkpoint, "--device", "cpu", *places, *flags)
    assert (result.code, result.err) == (0, ""), result
    with np.load(tmp_path / "samples.npz") as arrays:
        return arrays["images"], set(arrays)


# The run ------------------------------------------------------------------------------------------------------


def test_run_says_what_it_is(finished_gan, checkpoint, finished):
    for folder, model in ((finished_gan, "gan"), (finished[0], "cgan")):
        assert json.loads((folder / "config.json").read_text())["model"] == model
        assert load(folder / "checkpoint.safetensors").config.model == model
    tensors = load(checkpoint).tensors
    assert len(tensors) == len(load(finished[0] / "checkpoint.safetensors").tensors) - 6
    assert not any("embedding" in name for name in tensors)


def test_grid_has_ten_images_and_no_captions(finished_gan, finished):
    sizes = []
    for path in (finished_gan / "samples" / "000030.png", finished[0] / "samples" / "000060.png"):
        with Image.open(path) as picture:
            sizes.append(picture.size)
    (width, height), (width_with, height_with) = sizes
    assert width == width_with
    assert height < height_with


def test_resumed_run_stays_a_gan_and_ends_with_the_same_bytes(finished_gan, small, tmp_path):
    flags = ("--model", "gan", "--seed", 7, "--log-every", 5, "--sample-every", 15)
    assert call(train.main, *small, *flags, "--iterations", 20, "--out", tmp_path / "run").code == 0
    assert call(train.main, "--resume", tmp_path / "run", "--device", "cpu", "--iterations", 30).code == 0
    name = "checkpoint.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (finished_gan / name).read_bytes()


@pytest.mark.parametrize(("model", "other"), [("gan", "cgan"), ("cgan", "gan")])
def test_run_of_another_model_is_not_gone_on_with(model, other, finished_gan, finished, tmp_path):
    folder = shutil.copytree(finished_gan if model == "gan" else finished[0], tmp_path / "run")
    before = (folder / "config.json").read_bytes()
    result = call(train.main, "--resume", folder, "--model", other)
    assert_refused(result, f"--model {other}", folder, model)
    assert (folder / "config.json").read_bytes() == before


def test_model_that_does_not_exist_is_refused(tmp_path):
    result = call(train.main, "--model", "vae", "--out", tmp_path / "run")
    assert result.code == 2
    assert "--model" in result.err.splitlines()[-1]
    with pytest.raises(InputError, match="--model must be cgan or gan or dcgan, not vae"):
        TrainConfig(model="vae")


# Checkpoints --------------------------------------------------------------------------------------------------


def test_checkpoint_that_does_not_name_its_model_is_of_a_cgan(finished, tmp_path, monkeypatch):
    """Those of before there was another."""
    found = load(finished[0] / "checkpoint.safetensors")
    settings = {name: value for name, value in found.config.asdict().items() if name != "model"}
    monkeypatch.setattr(TrainConfig, "asdict", lambda self: settings)
    save(tmp_path / "old.safetensors", found)
    monkeypatch.undo()
    again = load(tmp_path / "old.safetensors")
    assert (again.config, again.iteration) == (found.config, found.iteration)


@pytest.mark.parametrize("claimed", ["gan", "cgan"])
def test_tensors_of_another_model_are_refused(claimed, checkpoint, finished, tmp_path):
    found = load(finished[0] / "checkpoint.safetensors" if claimed == "gan" else checkpoint)
    config = dataclasses.replace(found.config, model=claimed)
    path = tmp_path / "wrong.safetensors"
    save(path, Checkpoint(found.tensors, found.iteration, config))
    assert_refused(call(sample.main, path, "--out", tmp_path / "samples.png"), path, "embedding.weight")


# Samples ------------------------------------------------------------------------------------------------------


def test_a_hundred_images_without_labels(checkpoint, tmp_path):
    images, names = draw(checkpoint, tmp_path)
    assert (images.shape, images.dtype, names) == ((100, 28, 28), np.uint8, {"images"})
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.width == picture.height


def test_first_images_are_those_of_the_runs_grid(finished_gan, checkpoint, tmp_path):
    """The grid's ten were drawn as a batch of ten; another size may round one grey another way."""
    images, _ = draw(checkpoint, tmp_path, "--count", 12, "--seed", 7)
    with Image.open(finished_gan / "samples" / "000030.png") as picture:
        pixels = np.asarray(picture)
    for i in range(10):
        top, left = 6 + 90 * (i // 5), 6 + 90 * (i % 5)
        shown = pixels[top : top + 84 : 3, left : left + 84 : 3]
        assert np.abs(shown.astype(int) - images[i]).max() <= 1


def test_count_need_not_fill_the_picture(checkpoint, tmp_path):
    assert len(draw(checkpoint, tmp_path, "--count", 7)[0]) == 7
    assert len(draw(checkpoint, tmp_path, "--grid", "2x4")[0]) == 8
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.width > 1.5 * picture.height


def test_walks_in_the_noise(checkpoint, tmp_path):
    images, names = draw(checkpoint, tmp_path, "--interpolate", "--grid", "3x4", "--gif", tmp_path / "w.gif")
    assert (len(images), names) == (12, {"images"})
    assert len({image.tobytes() for image in images}) == 12


@pytest.mark.parametrize("flags", [("--digits", "3"), ("--digits", "0123456789"), ("--morph", "3:8")])
def test_digits_are_refused(flags, checkpoint, tmp_path):
    out = tmp_path / "samples.png"
    assert_refused(call(sample.main, checkpoint, *flags, "--out", out), flags[0], checkpoint, "plain GAN")
    assert not out.exists()
