"""``python -m cgan_raw.export``: the command, and a generator or a run's metrics in other formats."""
