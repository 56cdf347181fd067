"""``python -m cgan_raw.train``: the command, and the loop around an iteration."""
