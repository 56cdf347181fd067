"""The adversarial loss: binary cross-entropy on the discriminator's logit."""

from __future__ import annotations

from .devices.backend import Backend
from .layers import Array


class BinaryCrossEntropy:
    """Mean over the batch of the cross-entropy between sigmoid(logit) and one target for all rows.

    Parameters
    ----------
    loss, accuracy : (1,) arrays to write to, so that they can be views into a record of the iteration.
    target : 1 for "real", 0 for "fake".
    """

    def __init__(self, backend: Backend, rows: int, loss: Array, accuracy: Array, target: float):
        self.ops, self.loss, self.accuracy, self.target = backend.ops, loss, accuracy, target
        self.dlogits = backend.zeros((rows, 1))

    def forward(self, logits: Array) -> None:
        self.logits = logits
        self.ops.bce_forward(self.loss, self.accuracy, logits, self.target)

    def backward(self) -> Array:
        """dL/dlogits (B, 1)."""
        self.ops.bce_backward(self.dlogits, self.logits, self.target)
        return self.dlogits
