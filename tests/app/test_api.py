"""From Python: the generator draws what the command draws, and what it is asked wrongly is refused as there."""

import inspect
import io
import json

import numpy as np
import pytest
from commands import call, outcome, start
from PIL import Image

import cgan_raw
from cgan_raw import errors
from cgan_raw.generator import Generator
from cgan_raw.sample import __main__ as sample

CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def generator(finished):
    return cgan_raw.load(finished[0] / "checkpoint.safetensors", device="cpu")


@pytest.fixture(scope="module")
def plain(finished_gan):
    return cgan_raw.load(finished_gan, device="cpu")


def drawn(folder, run, *flags):
    """What the command draws: its arrays by name, and its picture's bytes."""
    files = ("--out", folder / "samples.png", "--npz", folder / "samples.npz")
    result = call(sample.main, run / "checkpoint.safetensors", *CPU, *flags, *files)
    assert result.code == 0, result
    with np.load(folder / "samples.npz") as arrays:
        return dict(arrays), (folder / "samples.png").read_bytes()


# The package --------------------------------------------------------------------------------------------------

IMPORT = """
import json, sys
import cgan_raw
slow = {"numpy", "numba", "argparse", "dataclasses", "cgan_raw.errors", "cgan_raw.generator"}
before = slow & sys.modules.keys()
import cgan_raw.train
from cgan_raw import InputError, fit, load
print(json.dumps([sorted(before), callable(fit), callable(load), fit is cgan_raw.fit]))
"""


def test_import_is_light_and_names_are_there_when_asked_for(tmp_path):
    result = outcome(start("-c", IMPORT, cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == [[], True, True, True]


def test_names_are_listed():
    assert set(cgan_raw.__all__) <= set(dir(cgan_raw))
    assert all(hasattr(cgan_raw, name) for name in cgan_raw.__all__)
    assert cgan_raw.InputError is errors.InputError
    with pytest.raises(AttributeError, match="'cgan_raw' has no attribute 'fitt'"):
        _ = cgan_raw.fitt


@pytest.mark.parametrize("name", ["load", "fit", "sample", "interpolate", "morph", "evaluate"])
def test_docstrings_name_every_parameter_and_what_is_raised(name):
    function = getattr(Generator, name, None) or getattr(cgan_raw, name)
    parameters, _, raised = function.__doc__.partition("Raises\n")
    assert "Parameters\n" in parameters
    for parameter in inspect.signature(function).parameters.keys() - {"self"}:
        assert parameter in parameters.partition("Parameters\n")[2]
    assert "InputError : " in raised


# What is drawn ------------------------------------------------------------------------------------------------

ASKED = {
    "defaults": ({}, ("--count", 1)),
    "digits": ({"digits": "3773", "count": 3, "seed": 5}, ("--digits", "3773", "--count", 3, "--seed", 5)),
    "numbers": ({"digits": np.array([8, 0]), "count": np.int64(2)}, ("--digits", "80", "--count", 2)),
    "one": ({"digits": 4, "count": 12}, ("--digits", "4", "--count", 12)),
    "folded": ({"digits": "1", "count": 130}, ("--digits", "1", "--count", 130)),
    "parts": ({"count": 101}, ("--count", 101)),
}


@pytest.mark.parametrize("case", ASKED)
def test_samples_are_those_of_the_command(case, generator, finished, tmp_path):
    asked, flags = ASKED[case]
    arrays, picture = drawn(tmp_path, finished[0], *flags)
    samples = generator.sample(**asked)
    assert samples.images.dtype == samples.labels.dtype == np.uint8
    assert samples.images.tobytes() == arrays["images"].tobytes()
    assert samples.images.shape == arrays["images"].shape
    assert np.array_equal(samples.labels, arrays["labels"])
    assert samples._repr_png_() == picture


def test_samples_of_a_plain_gan_are_those_of_the_command(plain, finished_gan, tmp_path):
    arrays, picture = drawn(tmp_path, finished_gan, "--count", 7, "--seed", 2)
    samples = plain.sample(count=7, seed=2)
    assert np.array_equal(samples.images, arrays["images"])
    assert samples.labels is None
    assert samples._repr_png_() == picture


def test_walks_are_those_of_the_command(generator, plain, finished, finished_gan, tmp_path):
    before = generator.sample().images
    for samples, run, flags in (
        (generator.morph(3, 8, steps=4, rows=2), finished[0], ("--morph", "3:8", "--grid", "2x4")),
        (generator.interpolate("27", steps=5), finished[0], ("--interpolate", "--digits", "27", "--count", 5)),
        (plain.interpolate(steps=3), finished_gan, ("--interpolate", "--grid", "1x3")),
    ):  # fmt: skip
        arrays, picture = drawn(tmp_path, run, *flags)
        assert np.array_equal(samples.images, arrays["images"])
        assert (samples.labels is None) == ("labels" not in arrays)
        assert samples._repr_png_() == picture
    assert np.array_equal(generator.sample().images, before), "a walk changes the generator"


def test_samples_are_arrays_and_pictures(generator):
    samples = generator.sample("58", 2)
    assert not np.shares_memory(np.array(samples), samples.images)
    assert np.array_equal(np.asarray(samples), samples.images)
    assert np.asarray(samples, np.float32).dtype == np.float32
    assert len(samples) == len(list(samples)) == 4
    for i, picture in enumerate(samples):
        assert isinstance(picture, Image.Image)
        assert np.array_equal(np.asarray(picture), samples.images[i])
        assert np.array_equal(np.asarray(samples[i]), samples.images[i])
    shown = Image.open(io.BytesIO(samples._repr_png_()))
    assert np.array_equal(np.asarray(shown), np.asarray(samples.grid()))


def test_generator_says_what_it_is(generator, plain, finished):
    assert (generator.iteration, generator.config.model, generator.config.seed) == (60, "cgan", 7)
    assert plain.config.model == "gan"
    checkpoint = finished[0] / "checkpoint.safetensors"
    assert repr(generator) == f"<cgan generator of {checkpoint}, iteration 60>"
    assert repr(generator.sample(1)) == "<1 samples, (1, 28, 28) uint8>"


# What is refused ----------------------------------------------------------------------------------------------

REFUSED = {
    "no digits": ({"digits": ""}, ("--digits", "")),
    "a letter": ({"digits": "3x"}, ("--digits", "3x")),
    "no digit": ({"digits": "٣"}, ("--digits", "٣")),
    "no images": ({"count": 0}, ("--count", 0)),
    "many images": ({"count": 10**7}, ("--count", 10**7)),
    "seed below 0": ({"seed": -1}, ("--seed", -1)),
    "large seed": ({"seed": 2**64}, ("--seed", 2**64)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_error_is_the_line_that_the_command_prints(case, generator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked, flags = REFUSED[case]
    with pytest.raises(cgan_raw.InputError) as caught:
        generator.sample(**asked)
    result = call(sample.main, generator.path, *CPU, *flags)
    assert (result.code, result.err) == (2, f"error: {caught.value}\n")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"digits": [1, 10]}, r"--digits .*\[1, 10\]"),
        ({"digits": 10}, r"--digits .*\[10\]"),
        ({"digits": [True]}, "--digits"),
        ({"digits": 3.0}, r"--digits .*\[3.0\]"),
        ({"count": 2.5}, "--count must be a whole number, not 2.5"),
        ({"count": "3"}, "--count must be a whole number"),
        ({"seed": None}, "--seed must be a whole number"),
    ],
)
def test_arguments_that_no_command_could_be_given_are_refused(asked, named, generator):
    with pytest.raises(cgan_raw.InputError, match=named):
        generator.sample(**asked)


def test_walks_that_cannot_be_are_refused(generator, plain):
    for named, walk in (
        ("--morph", lambda: generator.morph(3, 3)),
        ("--morph", lambda: generator.morph(3, 11)),
        ("--morph: a walk has at least 2 steps", lambda: generator.morph(3, 8, steps=1)),
        ("--interpolate: a walk has at least 2 steps", lambda: generator.interpolate(steps=1)),
        ("more than 10,000,000", lambda: generator.morph(3, 8, steps=10**4, rows=10**4)),
        ("plain GAN", lambda: plain.morph(3, 8)),
        ("plain GAN", lambda: plain.sample("3")),
    ):
        with pytest.raises(cgan_raw.InputError, match=named):
            walk()


def test_checkpoint_that_cannot_be_loaded_is_refused(finished, tmp_path):
    for path in (tmp_path, tmp_path / "none", str(tmp_path / "none")):
        with pytest.raises(cgan_raw.InputError, match="No such file"):
            cgan_raw.load(path, device="cpu")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"nothing")
    with pytest.raises(cgan_raw.InputError, match=r"checkpoint.safetensors: not a whole safetensors file"):
        cgan_raw.load(tmp_path, device="cpu")
    with pytest.raises(cgan_raw.InputError, match=r"--device must be one of auto, cpu, gpu, simt.*'tpu'"):
        cgan_raw.load(finished[0], device="tpu")
    with pytest.raises(cgan_raw.InputError, match="--kernels must be one of cuda, numba, not 'triton'"):
        cgan_raw.load(finished[0], device="cpu", kernels="triton")


def test_generator_that_nobody_can_judge_is_refused(generator, tmp_path):
    """It has learnt noise, which the classifier of MNIST does not know."""
    with pytest.raises(cgan_raw.InputError, match="knows MNIST alone"):
        generator.evaluate()
    with pytest.raises(
        cgan_raw.InputError, match=r"none\.json: cannot be read|none\.safetensors: cannot be read"
    ):
        generator.evaluate(classifier=tmp_path / "none.safetensors")
    with pytest.raises(cgan_raw.InputError, match=f"trained on {tmp_path}"):
        generator.evaluate(data=str(tmp_path))
