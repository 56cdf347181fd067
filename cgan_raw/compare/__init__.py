"""``python -m cgan_raw.compare``: the command, and runs beside each other as a table and a picture."""
