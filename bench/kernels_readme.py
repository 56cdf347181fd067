"""``python -m bench.kernels_readme``: renew the tables in kernels/README.md.

They are made from the contracts, from the comments in the registry's list of folders, from the ops that the
network calls (:mod:`cgan_raw.calls`), from kernels/ptxas.json, and by :mod:`bench.ladder`.  Each stands between
two markers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from cgan_raw.calls import uncalled
from cgan_raw.files.writing import write_atomically
from cgan_raw.kernels import registry
from cgan_raw.kernels.registry import Op, ops

from . import ladder
from .results import CHECKOUT
from .traces import sizes_of

FILE = CHECKOUT / "kernels" / "README.md"
PTXAS = CHECKOUT / "kernels" / "ptxas.json"

#: Backend -> its file in an op's folder.
FILES = {"cpu": "cpu.py", "cuda": "cuda.cu", "numba_cuda": "numba_cuda.py"}

#: The folders that every reader should see; the others branch off.
SHORT_PATH = ("activation", "bce", "batchnorm", "dense")

#: Kernels whose registers are shown, on this architecture.
_ARCHITECTURE = "sm_90"
_SHOWN = ("embedding_forward", "dense_forward_naive", "dense_forward_tiled", "dense_forward_register_tiled")


def renewed(text: str) -> str:
    """The text of the README with tables of now."""
    for name, lines in {"kernels": _kernels(), "ladder": ladder.lines(), "registers": _registers()}.items():
        table = "\n".join((f"<!-- {name}: begin -->", *lines, f"<!-- {name}: end -->"))
        text, count = re.subn(
            rf"<!-- {name}: begin -->\n.*?<!-- {name}: end -->", lambda _, t=table: t, text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"{FILE} has {count} tables {name}")
    return text


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def patterns() -> dict[str, str]:
    """The parallel pattern that each folder teaches, by the registry's comments; "" is the one above."""
    text = Path(registry.__file__).read_text(encoding="utf-8")
    return dict(re.findall(r'^    "(\w+)",(?:  # (.*))?$', text, re.MULTILINE))


def _kernels() -> Iterator[str]:
    yield _row("pattern", "op", "least bytes", "operations", "mathematics", *(f"`{b}`" for b in FILES))
    yield "|---|---|--:|--:|" + "---|" * 4
    for folder, pattern in patterns().items():
        if folder in SHORT_PATH:
            pattern = f"**{pattern}**"
        for op in (op for op in ops().values() if op.package.endswith(f".{folder}")):
            name = f"[`{op.name}`]({folder}/__init__.py)" + ", which no network calls" * (op.name in uncalled())
            files = (_link(op, backend, f"{folder}/{file}") for backend, file in FILES.items())
            yield _row(pattern, name, *per_element(op), f"[reference]({folder}/reference.py)", *files)
            pattern = ""


def per_element(op: Op) -> tuple[str, str]:
    """Least bytes and operations per element of the first destination, at the sizes of :mod:`bench.traces`."""
    sizes = sizes_of(op)
    elements = math.prod(op.arguments[0].shape(sizes))
    return _figure(op.bytes(**sizes) / elements), _figure(op.flops(**sizes) / elements)


def _figure(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _link(op: Op, backend: str, file: str) -> str:
    """An op's versions on a backend, if it has any there."""
    versions = ", ".join(kernel.version or "one" for kernel in op.kernels if kernel.backend == backend)
    return f"[{versions}]({file})" if versions else ""


def _registers() -> Iterator[str]:
    table = json.loads(PTXAS.read_text(encoding="utf-8"))
    yield _row("kernel", "CUDA C++", "Numba CUDA")
    yield "|---|--:|--:|"
    for kernel in _SHOWN:
        used = (
            table[f"{language} {_ARCHITECTURE} float"]["kernels"][kernel] for language in ("cuda", "numba_cuda")
        )
        yield _row(f"`{kernel}`", *(text.split()[0] for text in used))


if __name__ == "__main__":
    write_atomically(FILE, renewed(FILE.read_text(encoding="utf-8")).encode())
