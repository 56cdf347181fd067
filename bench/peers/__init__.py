"""Who is timed: our iteration and the same computation in other frameworks, behind one interface.

Each module here has a class ``Peer``::

    Peer(config: TrainConfig, dataset: Dataset, initial, **options)     initial as from initial_values()
    run(iterations, draws=None) -> (iterations, 3) float64   d_loss, d_accuracy, g_loss of each
    iteration                                                how many it has run so far, read from its own state
    tensors() -> {"generator.dense0.weight": array, ...}     weights and moving statistics as they stand

``run`` returns when all the work is done.  Without ``draws`` a peer draws inside the iteration by its own
generator, as it would in practice; with them it computes on ours, so that its losses can be compared with ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from cgan_raw.config import CGAN, DCGAN, TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices import gpu
from cgan_raw.devices.choice import make_backend
from cgan_raw.models import LAYERS, Parameters


class Draws(NamedTuple):
    """All that is random in N iterations of B rows."""

    indices: Any  #: (N, B) int32, the mini-batches
    z: Any  #: (N, B, 100) float32, the noise
    wanted: Any  #: (N, B) int32, the labels that the generator is asked for
    kept: Any  #: (N, 3, 2, B, 512) bool: what dropout keeps, by phase (real, fake, generator step) and layer


@dataclass(frozen=True)
class Implementation:
    """One row of the comparison.

    Parameters
    ----------
    device : where it computes, ``"cpu"`` or ``"gpu"``.
    package, program : what must be installed for it; None is nothing.
    options : what its ``Peer`` is told beside the data.
    model : what it trains; implementations of one model are compared with each other.
    """

    label: str
    module: str
    device: str = "cpu"
    package: str | None = None
    program: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str = CGAN

    def missing(self) -> str | None:
        """Why it cannot run here, or None if it can."""
        if self.device == "gpu" and (fault := gpu.fault(self.options.get("kernels", "cuda"))):
            return fault
        if self.package is not None and importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        if self.program is not None and shutil.which(self.program) is None:
            return f"{self.program} is not installed"
        if self.device == "gpu" and self.package is not None and not _sees_a_gpu(self.package):
            return f"this build of {self.package} finds no GPU"
        return None

    def make(self, config: TrainConfig) -> Any:
        """Its ``Peer`` on the embedded MNIST, with our initial weights."""
        module = importlib.import_module(f"{__name__}.{self.module}")
        config = replace(config, model=self.model)
        initial = initial_values(config.seed, self.model)
        return module.Peer(config, load_training(config.data), initial, **self.options)


_GPU, _GPU_TF32 = {"device": "cuda"}, {"device": "cuda", "tf32": True}

#: By name, in the order of the tables.  JAX multiplies in TF32 unless told not to, PyTorch only if told to.
IMPLEMENTATIONS = {
    "ours": Implementation("cgan_raw, CPU kernels", "ours", options={"device": "cpu"}),
    "torch": Implementation("PyTorch eager", "torch_peer", package="torch"),
    "torch_compiled": Implementation("PyTorch compiled", "torch_compiled_peer", package="torch", program="g++"),
    "jax": Implementation("JAX jit + scan", "jax_peer", package="jax"),
    "ours_gpu": Implementation("cgan_raw, CUDA C++", "ours", "gpu", options={"device": "gpu"}),
    "ours_gpu_tf32": Implementation(
        "cgan_raw, CUDA C++, TF32", "ours", "gpu", options={"device": "gpu", "tf32": True}
    ),
    "ours_gpu_numba": Implementation(
        "cgan_raw, Numba CUDA", "ours", "gpu", options={"device": "gpu", "kernels": "numba"}
    ),
    "torch_gpu": Implementation("PyTorch eager", "torch_peer", "gpu", "torch", options=_GPU),
    "torch_gpu_compiled": Implementation(
        "PyTorch compiled", "torch_compiled_peer", "gpu", "torch", "gcc", options=_GPU
    ),
    "torch_gpu_graph": Implementation(
        "PyTorch compiled, CUDA graph", "torch_graph_peer", "gpu", "torch", "gcc", options=_GPU
    ),
    "torch_gpu_graph_tf32": Implementation(
        "PyTorch compiled, CUDA graph, TF32", "torch_graph_peer", "gpu", "torch", "gcc", options=_GPU_TF32
    ),
    "jax_gpu": Implementation("JAX jit + scan", "jax_peer", "gpu", "jax", options=_GPU),
    "jax_gpu_tf32": Implementation("JAX jit + scan, TF32", "jax_peer", "gpu", "jax", options=_GPU_TF32),
    "ours_dcgan": Implementation("cgan_raw, CPU kernels", "ours", options={"device": "cpu"}, model=DCGAN),
    "torch_dcgan": Implementation("PyTorch eager", "torch_dcgan_peer", package="torch", model=DCGAN),
}

_ASK_FOR_A_GPU = {
    "torch": "import torch; assert torch.cuda.is_available()",
    "jax": "import jax; jax.devices('cuda')",
}


_PATIENCE = 60  # seconds


@cache
def _sees_a_gpu(package: str) -> bool:
    """Asked in a process of its own, since JAX takes most of the GPU's memory when it looks."""
    command = [sys.executable, "-c", _ASK_FOR_A_GPU[package]]
    try:
        return subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def initial_values(seed: int, model: str = CGAN) -> dict[str, dict[str, np.ndarray]]:
    """Every tensor of both networks before iteration 1, by network and name; dense weights are (in, out)."""
    values = {}
    for network in LAYERS:
        parameters = Parameters(make_backend("cpu"), network, model)
        parameters.initialise(np.uint64(seed))
        values[network] = parameters.values
    return values


def reported(recorded: np.ndarray) -> np.ndarray:
    """d_loss, d_accuracy and g_loss (N, 3) from loss and accuracy of the three phases (N, 6)."""
    r = np.asarray(recorded, np.float64)
    return np.stack([(r[:, 0] + r[:, 2]) / 2, (r[:, 1] + r[:, 3]) / 2, r[:, 4]], axis=1)
