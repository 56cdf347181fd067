"""Show what a kernel asks of memory, line by line: ``python -m cgan_raw.explain``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence

from ..console import cli
from ..console.text import show
from ..errors import InputError, explain
from ..files.places import check_places, check_suffix
from ..files.writing import write_atomically
from .gpus import DEFAULT, GPUS


def parser() -> argparse.ArgumentParser:
    result = cli.Parser(
        "explain",
        "Show what a GPU kernel asks of memory, line by line, without a GPU.",
        epilog="Several kernels are put side by side. Counts are of the CUDA C++ run by a CPU (needs g++). "
        "Bounds of the time follow from them and from published figures of a GPU; they are not measured.",
    )
    result.add_argument(
        "names", nargs="*", metavar="NAME",
        help="a kernel, such as dense_forward_tiled; an op, for all its versions; or a version of the op "
        "before it, of dense_forward if there is none; without a name, list the kernels",
    )  # fmt: skip
    result.add_argument(
        "--sizes", metavar="M=32,K=784", help="of arrays (default: those of the network's most costly call)"
    )
    result.add_argument(
        "--gpu", choices=GPUS, default=DEFAULT, help="whose limits and bounds are shown (default: %(default)s)"
    )
    result.add_argument(
        "--svg", type=cli.path, metavar="FILE", help="draw a kernel's sectors, banks and walk, too"
    )
    result.add_argument("--json", metavar="FILE", help="write the numbers, too; - prints them alone")
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as of :func:`cli.run`."""
    return cli.run(lambda: _explain(parser().parse_args(arguments)))


def _explain(given: argparse.Namespace) -> int:
    from .subject import subjects

    svg, file = given.svg, None if given.json in (None, "-") else cli.path(given.json)
    check_places(*filter(None, (svg, file)))
    if svg is not None:
        check_suffix("--svg", svg, ".svg")
    chosen = subjects(given.names, given.sizes)
    if not chosen:
        return _list()
    if svg is not None and len(chosen) > 1:
        raise InputError(f"--svg draws one kernel, not {len(chosen)}")

    from ..kernels.simt import BuildError, KernelError
    from .figures import figures, traced

    gpu = GPUS[given.gpu]
    try:
        traces = [traced(subject) for subject in chosen]
    except (BuildError, KernelError) as error:
        raise InputError(explain(error)) from None
    numbers = [figures(subject, trace, gpu) for subject, trace in zip(chosen, traces, strict=True)]
    if given.json == "-":
        print(_json(numbers), end="")
    else:
        _print(_report(chosen, traces, numbers, gpu))
    if file is not None:
        write_atomically(file, _json(numbers).encode())
    if svg is not None:
        from .picture import picture

        write_atomically(svg, picture(chosen[0], traces[0]).encode())
    return 0


def _report(chosen: Sequence, traces: Sequence, numbers: Sequence[dict], gpu) -> Iterable[str]:
    from .report import Paint, report, table, width

    if len(chosen) > 1:
        return table(numbers, gpu, width())
    return report(chosen[0], traces[0], numbers[0], gpu, width(), Paint())


def _print(lines: Iterable[str]) -> None:
    print(*lines, sep="\n", flush=True)


def _json(numbers: Sequence[dict]) -> str:
    return json.dumps(numbers, indent=1) + "\n"


def _list() -> int:
    from ..kernels.registry import ops

    for op in ops().values():
        versions = [kernel.version for kernel in op.kernels if kernel.backend == "cuda" and kernel.version]
        show(op.name + (f": {', '.join(versions)}" if versions else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
