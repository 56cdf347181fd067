"""The ways in which a command ends early that are not defects of the program."""


class InputError(ValueError):
    """What the user gave cannot be used.  The message is one line that names it; the command exits with 2."""


class TrainingError(RuntimeError):
    """Training cannot go on: it diverged, or its results cannot be saved.  One line; the command exits with
    1."""


def explain(error: OSError) -> str:
    """Which file, and what is wrong with it, in one line; what has no name is the terminal or a pipe."""
    return f"{error.filename or 'standard output'}: {error.strerror}"
