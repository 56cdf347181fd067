"""All commands by one name: ``cgan-raw COMMAND``, or ``python -m cgan_raw COMMAND``."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from types import ModuleType

from .console import cli
from .errors import InputError

COMMANDS = ("train", "sample", "evaluate", "compare", "export", "explain")


def parser() -> argparse.ArgumentParser:
    """Of a line without a command that is known."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{_module(name).parser().description}" for name in COMMANDS]
    result = cli.Parser(
        "",
        "A conditional GAN on MNIST in which every kernel is written by hand.",
        usage="%(prog)s COMMAND ...",
        epilog="\n".join(["commands, of which each has a --help:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    return result


def main(arguments: list[str] | None = None) -> int:
    """The exit code: that of the command, or of :func:`cli.run`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        return _module(arguments[0]).main(arguments[1:])
    return cli.run(lambda: _list(arguments))


def _list(arguments: list[str]) -> int:
    """Say which commands there are; InputError if another was asked for."""
    if arguments and not arguments[0].startswith("-"):
        raise InputError(f"{arguments[0]}: no such command; there are {', '.join(COMMANDS)}")
    asked = parser()
    asked.parse_args(arguments)
    asked.print_help()
    return 0


def _module(command: str) -> ModuleType:
    return import_module(f"{__package__}.{command}.__main__")


if __name__ == "__main__":
    sys.exit(main())
