"""Renews losses.json from the float64 reference backend: ``python tests/golden/regenerate.py``.

The file changes only when what is computed changes; a new one is part of that change, and its reason belongs
there.
"""

import json
from hashlib import sha256
from pathlib import Path

from cgan_raw.config import TrainConfig
from cgan_raw.data import load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.iteration import Iteration
from cgan_raw.training_state import TrainingState

FILE = Path(__file__).with_name("losses.json")
SEED, BATCH, ITERATIONS = 7, 32, 10
COLUMNS = ("d_loss", "d_accuracy", "g_loss")


def losses(backend: str, seed: int = SEED, spoil=lambda iteration: None, kind: type[TrainingState] = Iteration):
    """d_loss, d_accuracy and g_loss of the first iterations, (10, 3) float64.

    Parameters
    ----------
    spoil : may plant a defect.
    kind : of iteration: ``Iteration`` or ``FusedIteration``.
    """
    config = TrainConfig(seed=seed, batch_size=BATCH)
    iteration = kind(make_backend(backend), config, load_training(), history=ITERATIONS + 1)
    spoil(iteration)
    for _ in range(ITERATIONS):
        iteration.run()
    return iteration.read_losses(1, ITERATIONS)


def facts() -> dict:
    """What the losses are a function of."""
    data, config = load_training(), TrainConfig(seed=SEED, batch_size=BATCH)
    return {
        "backend": "reference (NumPy float64)",
        "data": "embedded MNIST, training set",
        "data_sha256": sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest(),
        "seed": config.seed,
        "batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "beta1": config.beta1,
        "iterations": ITERATIONS,
        "regenerate": "python tests/golden/regenerate.py",
    }


def main() -> None:
    columns = {name: column.tolist() for name, column in zip(COLUMNS, losses("reference").T, strict=True)}
    FILE.write_text(json.dumps(facts() | columns, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
