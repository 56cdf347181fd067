"""Reading and writing: nothing is half-written, nothing of a run is replaced, bad files are one line."""
