"""The ways in which a command ends early that are not defects of the program."""

import errno

#: What goes wrong where something is printed, which has no file name.
_OF_OUTPUT = {errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF}
_LINE = 200  # letters


class InputError(ValueError):
    """What the user gave cannot be used.  The message is one line that names it; the command exits with 2."""


class TrainingError(RuntimeError):
    """Training cannot go on: it diverged, or its results cannot be saved.  One line; the command exits with
    1."""


def explain(error: BaseException) -> str:
    """Which file, if the error names one, and what is wrong, in one line."""
    what = getattr(error, "strerror", None) or " ".join(str(error).split())[:_LINE] or type(error).__name__
    where = getattr(error, "filename", None)
    if where is None and getattr(error, "errno", None) in _OF_OUTPUT:
        where = "standard output"
    return what if where is None else f"{where}: {what}"
