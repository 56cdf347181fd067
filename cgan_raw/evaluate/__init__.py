"""``python -m cgan_raw.evaluate``: a classifier that judges digits, the figures, and how they are shown."""
