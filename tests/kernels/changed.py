"""A folder's CUDA C++ with a change in its text, and one kernel of it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from headers import FOLDER

from cgan_raw.kernels.launch import source_files


def changed(folder: str, change: Callable[[str], str], place: Path) -> Path:
    """The path of a ``cuda.cu`` below ``place``; ``change`` makes its text, and that of what it includes."""
    paths = {path.resolve() for path in source_files(FOLDER / folder / "cuda.cu")}
    texts = {path.relative_to(FOLDER.resolve()): path.read_text(encoding="utf-8") for path in paths}
    new = {name: change(text) for name, text in texts.items()}
    assert new != texts, "the change applies"
    for name, text in new.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    return place / folder / "cuda.cu"


class Alone:
    """An executor that compiles one kernel of a text, which is soon done: no other is called by anything."""

    def __init__(self, executor, kernel: str):
        self.executor, self.kernel = executor, kernel
        self.backend, self.array_type = executor.backend, executor.array_type

    def load(self, source: str, kernels: Sequence[str], real: str):
        source = re.sub(rf'extern "C" (?=__global__ void (?!{self.kernel}\())', "static ", source)
        return self.executor.load(source, [self.kernel], real)
