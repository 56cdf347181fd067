"""A generator as a page for browsers: the files of ``web/``, the weights, and a picture till they are there."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources

import numpy as np
import safetensors.numpy
from PIL import Image

from .. import streams
from ..checkpoint import Checkpoint
from ..config import BATCHNORM_EPS, GAN, KERNEL, LATENT, PADDING, SIDE, STRIDE
from ..devices.choice import make_backend
from ..errors import InputError
from ..image_layers import TransposedConvolution
from ..images import png
from ..kernels.registry import ops
from ..layers import BatchNorm, Dense, Embedding, Layer, LeakyReLU, Tanh
from ..models import generator_layers, tensors
from ..sample import sheets
from ..sampler import Sampler, load_generator
from .web_files import INDEX, PREVIEW, STATIC, WEIGHTS

_KEY = "cgan_raw"  #: of the metadata: one, as safetensors writes several in any order
_NUMBER = "2026"  #: what the page draws before anybody has typed
_SEED = 0


def web_page(checkpoint: Checkpoint, half: bool = False) -> dict[str, bytes]:
    """The files of a page that draws with the generator of a checkpoint, by name.

    Parameters
    ----------
    half : weights are rounded to float16: half as many bytes, and other pixels.

    Raises
    ------
    InputError : a weight is too large for float16.
    """
    network = {name: checkpoint.tensors[f"generator.{name}"] for name in _names(checkpoint)}
    if half:
        network = {name: _halved(name, tensor) for name, tensor in network.items()}
    files = {name: (resources.files(__package__) / "web" / name).read_bytes() for name in STATIC}
    files[WEIGHTS] = safetensors.numpy.save(network, {_KEY: json.dumps(describe(checkpoint))})
    files[PREVIEW] = _preview(checkpoint, network)
    filled = files[INDEX].decode().replace("{{model}}", checkpoint.config.model).replace("{{number}}", _NUMBER)
    return {**files, INDEX: filled.encode()}


def describe(checkpoint: Checkpoint) -> dict:
    """All that a reader of the weights has to know beside them, ready for JSON.

    ``noise`` is the width of the input, ``side`` that of the image.  ``layers`` are calls of ops in order, each
    on the output of the one before: ``arguments`` are those of its contract after the destination and x, either
    the name of a tensor, ``labels``, or a number, and behind them the sizes that do not follow from those of
    tensors.  One that ``updates`` has its x for a destination.  ``zeros`` are tensors that no file has to hold:
    their sizes by name.
    """
    config, layers = checkpoint.config, generator_layers(checkpoint.config.model)
    without_bias = [layer for layer in layers if isinstance(layer, Dense) and not layer.has_bias]
    return {
        "model": config.model,
        "iteration": checkpoint.iteration,
        "seed": config.seed,
        "noise": LATENT,
        "stream": streams.SAMPLES,
        "side": SIDE,
        "zeros": {f"{layer.name}.bias": layer.outputs for layer in without_bias},
        "layers": [call for layer in layers for call in _calls(layer)],
    }


def _calls(layer: Layer) -> list[dict]:
    names = [f"{layer.name}.{local}" for local in layer.tensors()]
    match layer:
        case Embedding():
            return [_call("embedding_forward", *names, "labels")]
        case Dense():
            return [_call("dense_forward", f"{layer.name}.weight", f"{layer.name}.bias")]
        case LeakyReLU():
            return [_call("leaky_relu_forward", layer.slope)]
        case BatchNorm():
            return [_call("batchnorm_forward_inference", *names, BATCHNORM_EPS)]
        case TransposedConvolution():
            weight, *bias = names
            sizes = *layer.made, *layer.seen, KERNEL
            product = _call("convolution_backward_input", weight, STRIDE, PADDING, *sizes)
            return [product, *(_call("bias_add", name) for name in bias)]
        case Tanh():
            return [_call("tanh_forward")]
    raise TypeError(f"no kernel in JavaScript for {type(layer).__name__}")


def _call(op: str, *arguments: str | float) -> dict:
    call = {"op": op, "arguments": arguments}
    return call | {"updates": True} if ops()[op].arguments[0].role == "update" else call


def _names(checkpoint: Checkpoint) -> list[str]:
    return list(tensors("generator", checkpoint.config.model))


def _halved(name: str, tensor: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = tensor.astype(np.float16)
    if not np.isfinite(half).all():
        raise InputError(f"--half: {name} has values that are too large for float16")
    return half


def _preview(checkpoint: Checkpoint, network: dict[str, np.ndarray]) -> bytes:
    """A PNG of what the page begins with, side by side: black, as opaque as a pixel is bright."""
    rounded = {f"generator.{name}": tensor.astype(np.float32) for name, tensor in network.items()}
    generator = load_generator(make_backend("cpu"), dataclasses.replace(checkpoint, tensors=rounded))
    digits = [int(digit) for digit in _NUMBER] if checkpoint.config.model != GAN else []
    sheet = sheets.samples(generator, _SEED, digits, len(_NUMBER), len(_NUMBER))
    ink = Image.fromarray(np.hstack([*Sampler(generator, sheet.z, sheet.labels).images()]))
    return png(Image.merge("LA", [Image.new("L", ink.size), ink]))
