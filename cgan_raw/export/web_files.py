"""By what names a page's files go, and whether a folder can be given to them; nothing here needs NumPy."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..files.reading import read_bytes
from ..files.writing import check_folder

INDEX, WEIGHTS, PREVIEW = "index.html", "generator.safetensors", "preview.png"
#: Those of ``web/`` that are served as they are, but for the index, which is filled in.
STATIC = (
    *(INDEX, "page.css", "page.js"),
    *("generator.js", "weights.js", "kernels.js", "simd.js", "dense.wat", "dense.wasm"),
)
#: In the order in which they are written: whoever finds an index finds all that it asks for.
NAMES = (*(name for name in STATIC if name != INDEX), WEIGHTS, PREVIEW, INDEX)

_OURS = b'<meta name="generator" content="cgan_raw">'
_MOST_OF_AN_INDEX = 2**20  # bytes


def check(folder: Path) -> None:
    """InputError unless a page can be written into a folder, or into one that is still to be made."""
    if not folder.is_dir():
        if folder.exists():
            raise InputError(f"{folder}: is no folder")
        check_folder(folder.parent, folder)
        return
    index = read_bytes(folder / INDEX, _MOST_OF_AN_INDEX)
    if index is not None and _OURS not in index:
        raise InputError(f"{folder / INDEX}: is of another page, which is not replaced")
