"""Text from files and command lines on its way to a terminal, which obeys some of what it is sent."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with all escaped, as in ``\x1b``, that is no letter, sign or space.

    That is what moves the cursor or turns a line around, line ends, and what is no character at all.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def show(*lines: str) -> None:
    """Print lines, whatever they hold.  Raises OSError."""
    print(*map(printable, lines), sep="\n", flush=True)
