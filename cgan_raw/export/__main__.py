"""Write a generator, or a run's metrics, for other programs: ``python -m cgan_raw.export``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..console import cli
from ..console.text import show
from ..errors import InputError
from ..files.places import check_places, check_suffix
from ..files.writing import write_atomically
from ..runs import METRICS_FILE, read_metrics
from .table import table


class _Export(NamedTuple):
    """``make`` gives what is written into ``out`` of the file ``source``, and what is said of it."""

    flag: str
    out: Path
    suffix: str
    source: Path
    make: Callable[[Path], tuple[bytes, str]]


def parser() -> argparse.ArgumentParser:
    result = cli.Parser(
        "export",
        "Write a generator as an ONNX model, or a run's metrics as a table.",
        epilog="Inputs of the model: noise (B,100) float32 and, of a conditional GAN, label (B,) int64; "
        "output: image (B,28,28) float32 from -1 to 1.",
    )
    cli.add_run(result)
    result.add_argument(
        "--onnx", type=cli.path, metavar="FILE",
        help="the model (default: generator.onnx, unless --csv is given)",
    )  # fmt: skip
    result.add_argument("--csv", type=cli.path, metavar="FILE", help="the lines of metrics.jsonl, as a table")
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _export(parser().parse_args(arguments)))


def _export(given: argparse.Namespace) -> int:
    exports = _wanted(given)
    check_places(*(each.out for each in exports), read=[each.source for each in exports])
    for each in exports:
        check_suffix(each.flag, each.out, each.suffix)
    made = [each.make(each.source) for each in exports]
    for each, (content, _) in zip(exports, made, strict=True):
        write_atomically(each.out, content)
    show(*(f"{what} in {each.out}" for each, (_, what) in zip(exports, made, strict=True)))
    return 0


def _wanted(given: argparse.Namespace) -> list[_Export]:
    onnx = given.onnx or (Path("generator.onnx") if given.csv is None else None)
    result = []
    if onnx is not None:
        result.append(_Export("--onnx", onnx, ".onnx", given.checkpoint, _model))
    if given.csv is not None:
        metrics = given.checkpoint.with_name(METRICS_FILE)
        result.append(_Export("--csv", given.csv, ".csv", metrics, _table))
    return result


def _model(checkpoint: Path) -> tuple[bytes, str]:
    from ..checkpoint import load
    from .onnx_model import onnx_model

    model = onnx_model(load(checkpoint))
    inputs = " and ".join(value.name for value in model.graph.input)
    version = model.opset_import[0].version
    return model.SerializeToString(deterministic=True), f"{inputs} to image, opset {version},"


def _table(metrics: Path) -> tuple[bytes, str]:
    lines = read_metrics(metrics)
    if not lines:
        raise InputError(f"{metrics}: has no line of metrics")
    return table(lines), f"{len(lines):,} lines of metrics"


if __name__ == "__main__":
    sys.exit(main())
