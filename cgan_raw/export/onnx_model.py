"""A generator as an ONNX model: the layers in order, each by the operators that compute its inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..checkpoint import Checkpoint
from ..config import BATCHNORM_EPS, GAN, LATENT, PADDING, SIDE, STRIDE
from ..console.installing import how_to_install
from ..errors import InputError
from ..image_layers import TransposedConvolution
from ..layers import BatchNorm, Dense, Embedding, Layer, LeakyReLU, Tanh
from ..models import generator_layers, tensors

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

#: Versions of the operators and of the file that any reader since onnx 1.8 (2020) knows.
_OPSET, _IR = 13, 7


def onnx_model(checkpoint: Checkpoint) -> ModelProto:
    """The generator of a checkpoint, checked.

    Inputs ``noise`` (B, 100) float32 and, of a conditional GAN, ``label`` (B,) int64; output ``image``
    (B, 28, 28) float32 in [-1, 1], by the moving statistics.  B is open.

    Raises
    ------
    InputError : the onnx package is not installed.
    """
    onnx = _import_onnx()
    from onnx import TensorProto, helper, numpy_helper

    nodes, last = [], "noise"
    for layer in generator_layers(checkpoint.config.model):
        nodes += _nodes(layer, last)
        last = layer.name
    nodes.append(helper.make_node("Reshape", [last, "shape"], ["image"], name="image"))
    inputs = [helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["B", LATENT])]
    if checkpoint.config.model != GAN:
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["B"]))
    output = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", SIDE, SIDE])
    constants = _tensors(checkpoint) | {"shape": np.array([-1, SIDE, SIDE])}
    initial = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "generator", inputs, [output], initial),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="cgan_raw",
        producer_version=__version__,
    )
    config = checkpoint.config
    facts = {"model": config.model, "iteration": checkpoint.iteration, "seed": config.seed}
    helper.set_model_props(model, {name: str(value) for name, value in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def _nodes(layer: Layer, x: str) -> list[NodeProto]:
    """What computes a layer from ``x``; its output has the layer's name."""
    from onnx.helper import make_node

    def node(operator: str, *parameters: str, **attributes: float) -> NodeProto:
        names = [f"{layer.name}.{parameter}" for parameter in parameters]
        return make_node(operator, [x, *names], [layer.name], name=layer.name, **attributes)

    match layer:
        case Embedding():
            rows = f"{layer.name}.rows"
            return [
                make_node("Gather", [f"{layer.name}.weight", "label"], [rows], name=rows),
                node("Mul", "rows"),
            ]
        case Dense():
            return [node("Gemm", *layer.tensors())]
        case LeakyReLU():
            return [node("LeakyRelu", alpha=float(layer.slope))]
        case BatchNorm():
            return _batchnorm(layer, x)
        case TransposedConvolution():
            return _transposed_convolution(layer, x)
        case Tanh():
            return [node("Tanh")]
    raise TypeError(f"no ONNX operator for {type(layer).__name__}")


def _batchnorm(layer: BatchNorm, x: str) -> list[NodeProto]:
    from onnx.helper import make_node

    flat = layer.features == layer.outputs
    pixels, normal = (x, layer.name) if flat else (f"{layer.name}.pixels", f"{layer.name}.normal")
    names = [f"{layer.name}.{local}" for local in layer.tensors()]
    node = make_node("BatchNormalization", [pixels, *names], [normal], name=normal, epsilon=BATCHNORM_EPS)
    if flat:
        return [node]
    to, back = (-1, layer.features), (-1, layer.outputs)
    return [*_reshaped(x, to, pixels), node, *_reshaped(normal, back, layer.name)]


def _transposed_convolution(layer: TransposedConvolution, x: str) -> list[NodeProto]:
    """ONNX has channels first, in images and in weights, and those of what comes in before the others."""
    from onnx.helper import make_node

    seen, turned, weight, made, back = (
        f"{layer.name}.{part}" for part in ("seen", "channels_first", "taps_last", "made", "channels_last")
    )
    bias = [f"{layer.name}.bias"] if layer.has_bias else []
    frame = {"strides": [STRIDE] * 2, "pads": [PADDING] * 4}
    return [
        *_reshaped(x, (-1, *layer.seen), seen),
        make_node("Transpose", [seen], [turned], name=turned, perm=[0, 3, 1, 2]),
        make_node("Transpose", [f"{layer.name}.weight"], [weight], name=weight, perm=[3, 2, 0, 1]),
        make_node("ConvTranspose", [turned, weight, *bias], [made], name=made, **frame),
        make_node("Transpose", [made], [back], name=back, perm=[0, 2, 3, 1]),
        *_reshaped(back, (-1, layer.outputs), layer.name),
    ]


def _reshaped(x: str, shape: tuple[int, ...], name: str) -> list[NodeProto]:
    from onnx import numpy_helper
    from onnx.helper import make_node

    constant = f"{name}.shape"
    value = numpy_helper.from_array(np.array(shape), constant)
    return [
        make_node("Constant", [], [constant], name=constant, value=value),
        make_node("Reshape", [x, constant], [name], name=name),
    ]


def _tensors(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The generator's tensors by name, in the order of its layers: those of a file come in any."""
    names = tensors("generator", checkpoint.config.model)
    return {name: checkpoint.tensors[f"generator.{name}"] for name in names}


def _import_onnx():
    try:
        import onnx
    except ImportError:
        raise InputError(f"the onnx package is not installed ({how_to_install('onnx')})") from None
    return onnx
