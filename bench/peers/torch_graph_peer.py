"""The iteration in PyTorch on a GPU as a CUDA graph of many iterations.

Random numbers are drawn inside the graph.  Adam is fused and capturable, with its learning rate and its count
of updates in tensors; what PyTorch calls eps is a constant of the recorded kernels.  So recorded iterations
have Keras's "epsilon hat" there, and not the value that PyTorch's formula wants for it
(:mod:`bench.peers.torch_peer`), which tends to it over the first thousands of updates: the same work, and early
updates slightly larger.  On given draws nothing is recorded, and eps is exact.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cgan_raw.config import ADAM_BETA2, ADAM_EPS, TrainConfig

from . import Draws, reported, torch_compiled_peer, torch_peer

_LONGEST = 50  # iterations in a graph


class Adam(torch_peer.Adam):
    """Fused, with the learning rate as a tensor, so that it can be recorded."""

    def __init__(self, values: dict[str, Tensor], config: TrainConfig):
        rate = torch.tensor(config.learning_rate, device="cuda")
        self.optimiser = torch.optim.Adam(
            values.values(), rate, (config.beta1, ADAM_BETA2), ADAM_EPS, fused=True, capturable=True
        )
        self.t = 0

    def eps(self) -> float:
        return ADAM_EPS if torch.cuda.is_current_stream_capturing() else super().eps()


class Peer(torch_compiled_peer.Peer):
    """See :mod:`bench.peers`.  The first call for a number of iterations runs them unrecorded, then records."""

    make_adam = staticmethod(Adam)

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def run(self, iterations: int, draws: Draws | None = None) -> np.ndarray:
        length = next(n for n in range(min(iterations, _LONGEST), 0, -1) if iterations % n == 0)
        with torch.cuda.stream(self.stream):
            if draws is None and length in self.graphs:
                return self._replay(length, iterations // length)
            losses = super().run(iterations, draws)
        if draws is None:
            self._record(length)
        return losses

    def _replay(self, length: int, times: int) -> np.ndarray:
        graph, recorded = self.graphs[length]
        results = []
        for _ in range(times):
            graph.replay()
            results.append(recorded.clone())
        self.generator_adam.t += length * times
        self.discriminator_adam.t += 2 * length * times
        return reported(torch.cat(results).cpu().numpy())

    def _record(self, length: int) -> None:
        """Nothing is computed: only the numbers of updates, which Python counts, must be set back."""
        counts = self.generator_adam.t, self.discriminator_adam.t
        graph, recorded = torch.cuda.CUDAGraph(), []
        with torch.cuda.graph(graph, stream=self.stream):
            for _ in range(length):
                recorded += self.iterate(torch_peer.draw(self.rows, len(self.images), self.device))
            stacked = torch.stack(recorded).reshape(length, -1)
        self.graphs[length] = graph, stacked
        self.generator_adam.t, self.discriminator_adam.t = counts
