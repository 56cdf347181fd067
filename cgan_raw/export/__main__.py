"""Write a generator, or a run's metrics, for other programs: ``python -m cgan_raw.export``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..console import cli
from ..console.text import show
from ..errors import InputError
from ..files.places import check_places, check_suffix
from ..files.writing import write_atomically
from ..runs import METRICS_FILE, read_metrics
from . import web_files
from .table import table


class _Export(NamedTuple):
    """``make`` gives the contents of ``files``, in order, from the file ``source``, and what is said of them.

    ``suffix`` is that of the one file, None of a folder.
    """

    flag: str
    out: Path
    suffix: str | None
    files: list[Path]
    source: Path
    make: Callable[[Path], tuple[list[bytes], str]]


def parser() -> argparse.ArgumentParser:
    result = cli.Parser(
        "export",
        "Write a generator as a model or a web page, or metrics as a table.",
        epilog="Inputs of the model: noise (B,100) float32 and, of a conditional GAN, label (B,) int64; "
        "output: image (B,28,28) float32 from -1 to 1.",
    )
    cli.add_run(result)
    result.add_argument(
        "--onnx", type=cli.path, metavar="FILE",
        help="the model (default: generator.onnx, unless another is asked for)",
    )  # fmt: skip
    result.add_argument("--csv", type=cli.path, metavar="FILE", help="the lines of metrics.jsonl, as a table")
    result.add_argument(
        "--web", type=cli.path, metavar="DIR",
        help="a page that draws in the browser, for any server of files: python -m http.server --directory DIR",
    )  # fmt: skip
    result.add_argument(
        "--half", action="store_true", help="round the weights of --web to float16: half as many bytes"
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _export(parser().parse_args(arguments)))


def _export(given: argparse.Namespace) -> int:
    exports = _wanted(given)
    _check(exports)
    made = [each.make(each.source) for each in exports]
    for each, (contents, _) in zip(exports, made, strict=True):
        if each.suffix is None:
            each.out.mkdir(exist_ok=True)
        for file, content in zip(each.files, contents, strict=True):
            write_atomically(file, content)
    show(*(f"{what} in {each.out}" for each, (_, what) in zip(exports, made, strict=True)))
    return 0


def _wanted(given: argparse.Namespace) -> list[_Export]:
    checkpoint, metrics = given.checkpoint, given.checkpoint.with_name(METRICS_FILE)
    onnx = given.onnx or (Path("generator.onnx") if given.csv is None and given.web is None else None)
    result = []
    if onnx is not None:
        result.append(_Export("--onnx", onnx, ".onnx", [onnx], checkpoint, _model))
    if given.csv is not None:
        result.append(_Export("--csv", given.csv, ".csv", [given.csv], metrics, _table))
    if given.web is not None:
        files = [given.web / name for name in web_files.NAMES]
        make = partial(_page, half=given.half)
        result.append(_Export("--web", given.web, None, files, checkpoint, make))
    elif given.half:
        raise InputError("--half is of the weights of a page: give --web too")
    return result


def _check(exports: list[_Export]) -> None:
    """Refuse what needs no look into the files that are read."""
    there = [file for each in exports for file in each.files if each.suffix or each.out.is_dir()]
    check_places(*there, read=[each.source for each in exports])
    for each in exports:
        if each.suffix is None:
            web_files.check(each.out)
        else:
            check_suffix(each.flag, each.out, each.suffix)


def _model(checkpoint: Path) -> tuple[list[bytes], str]:
    from ..checkpoint import load
    from .onnx_model import onnx_model

    model = onnx_model(load(checkpoint))
    inputs = " and ".join(value.name for value in model.graph.input)
    version = model.opset_import[0].version
    return [model.SerializeToString(deterministic=True)], f"{inputs} to image, opset {version},"


def _table(metrics: Path) -> tuple[list[bytes], str]:
    lines = read_metrics(metrics)
    if not lines:
        raise InputError(f"{metrics}: has no line of metrics")
    return [table(lines)], f"{len(lines):,} lines of metrics"


def _page(checkpoint: Path, half: bool) -> tuple[list[bytes], str]:
    from ..checkpoint import load
    from .web_page import web_page

    files = web_page(load(checkpoint), half)
    return [files[name] for name in web_files.NAMES], f"a page of {sum(map(len, files.values())) / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
