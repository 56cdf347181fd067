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
from ..config import BATCHNORM_EPS, CGAN, DCGAN, LATENT, LEAKY_SLOPE, SIDE
from ..devices.choice import make_backend
from ..errors import InputError
from ..images import png
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
    InputError : a weight is too large for float16, or the generator has convolutions.
    """
    if checkpoint.config.model == DCGAN:
        raise InputError(f"--web: the page has no kernels for a {DCGAN}; --onnx can have it")
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
    the name of a tensor, ``labels``, or a number.  Other sizes follow from the tensors'.
    """
    config = checkpoint.config
    return {
        "model": config.model,
        "iteration": checkpoint.iteration,
        "seed": config.seed,
        "noise": LATENT,
        "stream": streams.SAMPLES,
        "side": SIDE,
        "layers": [_call(layer) for layer in generator_layers(config.model)],
    }


def _call(layer: Layer) -> dict:
    names = [f"{layer.name}.{local}" for local in layer.tensors()]
    match layer:
        case Embedding():
            op, arguments = "embedding_forward", [*names, "labels"]
        case Dense():
            op, arguments = "dense_forward", names
        case LeakyReLU():
            op, arguments = "leaky_relu_forward", [LEAKY_SLOPE]
        case BatchNorm():
            op, arguments = "batchnorm_forward_inference", [*names, BATCHNORM_EPS]
        case Tanh():
            op, arguments = "tanh_forward", []
        case _:
            raise TypeError(f"no kernel in JavaScript for {type(layer).__name__}")
    return {"op": op, "arguments": arguments}


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
    digits = [int(digit) for digit in _NUMBER] if checkpoint.config.model == CGAN else []
    sheet = sheets.samples(generator, _SEED, digits, len(_NUMBER), len(_NUMBER))
    ink = Image.fromarray(np.hstack([*Sampler(generator, sheet.z, sheet.labels).images()]))
    return png(Image.merge("LA", [Image.new("L", ink.size), ink]))
