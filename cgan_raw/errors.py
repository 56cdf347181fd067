"""The ways in which a command ends early that are not defects of the program."""

import errno

#: What goes wrong where something is printed, which has no file name.
_OF_OUTPUT = {errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF}


class InputError(ValueError):
    """What the user gave cannot be used.  The message is one line that names it; the command exits with 2."""


class TrainingError(RuntimeError):
    """Training cannot go on: it diverged, or its results cannot be saved.  One line; the command exits with
    1."""


def explain(error: OSError) -> str:
    """Which file, if it has a name, and what is wrong with it, in one line."""
    what = error.strerror or str(error) or type(error).__name__
    where = error.filename or ("standard output" if error.errno in _OF_OUTPUT else None)
    return what if where is None else f"{where}: {what}"
