"""A DCGAN from the command line: every command takes its run, but the page for browsers."""

import json

import numpy as np
import pytest
from commands import call
from PIL import Image

from cgan_raw import generator as generators
from cgan_raw.checkpoint import load
from cgan_raw.compare import __main__ as compare
from cgan_raw.config import TrainConfig
from cgan_raw.errors import InputError
from cgan_raw.export import __main__ as export
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train


@pytest.fixture(scope="module")
def checkpoint(finished_dcgan):
    return finished_dcgan / "checkpoint.safetensors"


def test_run_says_what_it_is(finished_dcgan, checkpoint):
    assert json.loads((finished_dcgan / "config.json").read_text())["model"] == "dcgan"
    names = load(checkpoint).tensors
    assert "generator.transposed1.bias" in names
    assert "discriminator.convolution1.bias" not in names  # a batchnorm follows


def test_grid_has_captions(finished_dcgan, finished):
    """As that of a conditional GAN has."""
    sizes = []
    for path in (finished_dcgan / "samples" / "000012.png", finished[0] / "samples" / "000060.png"):
        with Image.open(path) as picture:
            sizes.append(picture.size)
    assert sizes[0] == sizes[1]


def test_resumed_run_ends_with_the_same_bytes(finished_dcgan, small, tmp_path):
    flags = ("--model", "dcgan", "--seed", 7, "--log-every", 4, "--sample-every", 6)
    assert call(train.main, *small, *flags, "--iterations", 6, "--out", tmp_path / "run").code == 0
    assert call(train.main, "--resume", tmp_path / "run", "--device", "cpu", "--iterations", 12).code == 0
    name = "checkpoint.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (finished_dcgan / name).read_bytes()


def test_sample_draws_the_digits_asked_for(checkpoint, tmp_path):
    out = tmp_path / "samples.npz"
    flags = ("--device", "cpu", "--digits", "38", "--count", 3, "--npz", out, "--out", tmp_path / "samples.png")
    result = call(sample.main, checkpoint, *flags)
    assert (result.code, result.err) == (0, ""), result
    with np.load(out) as arrays:
        assert arrays["images"].shape == (6, 28, 28)
        assert sorted(arrays["labels"].tolist()) == [3, 3, 3, 8, 8, 8]


def test_walk_between_two_digits(checkpoint):
    assert len(generators.load(checkpoint, device="cpu").morph(3, 8, steps=4)) == 4


def test_compare_with_a_cgan(finished_dcgan, finished, tmp_path):
    result = call(compare.main, finished_dcgan, finished[0], "--out", tmp_path / "compare.png")
    assert result.code == 0, result
    assert "dcgan" in result.out


def test_onnx_model_draws_the_same(checkpoint, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "generator.onnx"
    assert call(export.main, checkpoint, "--onnx", path).code == 0
    z = np.random.default_rng(0).standard_normal((5, 100)).astype(np.float32)
    labels = np.array([3, 1, 4, 1, 5])
    (images,) = onnxruntime.InferenceSession(path).run(None, {"noise": z, "label": labels})
    found = generators.load(checkpoint, device="cpu")
    sampler = generators.Sampler(found._parameters, z, labels.astype(np.int32))
    assert images.std() > 0.05
    np.testing.assert_allclose(images.reshape(5, 784), sampler._outputs(0), rtol=0, atol=1e-5)


def test_batch_that_kernels_cannot_index_is_refused():
    assert TrainConfig(model="dcgan", batch_size=2**16).batch_size * 14 * 14 * 64 <= 2**30
    with pytest.raises(InputError, match="--batch-size must be from 1 to 2\\^16"):
        TrainConfig(model="dcgan", batch_size=2**16 + 1)
