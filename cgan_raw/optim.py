"""The optimiser: Adam over a network's flat buffer, one op call per step, on the gradient of all ranks."""

from __future__ import annotations

from .config import ADAM_BETA2, ADAM_EPS, TrainConfig
from .layers import Array
from .models import Parameters


class Adam:
    """Adam with Keras's "epsilon hat" (the op's reference has the equations).

    ``t`` is a (1,) int64 array that holds the number of the update, from 1; whoever owns it advances it.
    """

    def __init__(self, parameters: Parameters, t: Array, config: TrainConfig):
        self.parameters, self.t, self.config = parameters, t, config

    def step(self) -> None:
        p = self.parameters
        if p.backend.ranks.size > 1:
            p.backend.ops.ranks_mean(p.flat_gradient)
        p.backend.ops.adam_step(
            p.flat, p.flat_m, p.flat_v, p.flat_gradient, self.t,
            self.config.learning_rate, self.config.beta1, ADAM_BETA2, ADAM_EPS,
        )  # fmt: skip
