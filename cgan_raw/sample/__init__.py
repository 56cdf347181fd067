"""``python -m cgan_raw.sample``: the command, and which pictures it can draw."""
