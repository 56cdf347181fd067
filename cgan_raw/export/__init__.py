"""``python -m cgan_raw.export``: the command, and a generator in other formats."""
