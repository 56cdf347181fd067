"""Installs the emulated GPU when CuPy is first imported, and not before."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

from . import missing


class _Hook(MetaPathFinder):
    """Comes before the other finders and leaves the finding to them."""

    def find_spec(self, name, path=None, target=None):
        execute = _EXECUTE.get(name)
        spec = PathFinder.find_spec(name, path, target) if execute else None
        if spec is not None:
            original = spec.loader.exec_module
            spec.loader.exec_module = lambda module: execute(original, module)
        return spec


def _install_first(original, module) -> None:
    what = missing()
    if what is not None:
        raise ImportError(f"the emulated GPU needs {what}")
    from .install import install

    install()
    original(module)


def _keep_sources_after(original, module) -> None:
    from .install import keep_sources

    original(module)
    keep_sources(module)


def _emulate_nccl(original, module) -> None:
    from . import nccl

    vars(module).update({name: getattr(nccl, name) for name in nccl.__all__})


_EXECUTE = {
    "cupy": _install_first,
    "cupy.cuda.compiler": _keep_sources_after,
    "cupy.cuda.nccl": _emulate_nccl,
}


def register() -> None:
    sys.meta_path.insert(0, _Hook())


def registered() -> bool:
    return any(isinstance(finder, _Hook) for finder in sys.meta_path)
