"""The iteration in PyTorch with its forward passes and their gradients compiled by ``torch.compile``.

The compiler is given the two losses and the sampling, each a function of tensors; what calls ``backward`` stays
outside, for a graph would break there.  Adam is fused as it is.
"""

from __future__ import annotations

import torch

from . import torch_peer


class Peer(torch_peer.Peer):
    """See :mod:`bench.peers`.  The first iterations compile: a minute or so where nothing is cached."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for name in ("sample", "discriminator_loss", "generator_loss"):
            setattr(self, name, torch.compile(getattr(self, name), dynamic=False))
