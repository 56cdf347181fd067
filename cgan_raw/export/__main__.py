"""Write a checkpoint's generator for other programs: ``python -m cgan_raw.export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..console import cli
from ..console.text import show
from ..files.places import check_places


def parser() -> argparse.ArgumentParser:
    result = cli.Parser(
        "export",
        "Write a checkpoint's generator as an ONNX model.",
        epilog="Inputs: noise (B,100) float32 and, of a "
        "conditional GAN, label (B,) int64; output: image (B,28,28) float32 from -1 to 1.",
    )
    result.add_argument("checkpoint", type=cli.path, help="a checkpoint.safetensors")
    result.add_argument(
        "--onnx", type=cli.path, default=Path("generator.onnx"), metavar="FILE",
        help="the model (default: %(default)s)",
    )  # fmt: skip
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _export(parser().parse_args(arguments)))


def _export(given: argparse.Namespace) -> int:
    check_places(given.onnx, read=[given.checkpoint])

    from ..checkpoint import load
    from ..files.writing import write_atomically
    from .onnx_model import onnx_model

    model = onnx_model(load(given.checkpoint))
    write_atomically(given.onnx, model.SerializeToString(deterministic=True))
    inputs = " and ".join(value.name for value in model.graph.input)
    show(f"{inputs} to image in {given.onnx}, opset {model.opset_import[0].version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
