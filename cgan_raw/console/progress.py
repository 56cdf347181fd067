"""What a person sees while something runs: a bar on a terminal and in a notebook, else lines of training."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator

from tqdm import TqdmWarning

from .stopping import SIGNALS
from .text import printable, show

with warnings.catch_warnings():  # a notebook without ipywidgets has a bar of text, and no need to be told
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm


def duration(seconds: float) -> str:
    """As a person reads it: 2m05s."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}m{seconds:02d}s"


def bar(steps: Iterable, what: str) -> Iterator:
    """The same steps, and while they are walked, a bar where one can be seen, which is gone at the end.

    Raises
    ------
    Stopped : before a step, if a signal asks this command to end.
    """
    layout = "{desc} {n_fmt}/{total_fmt} |{bar}| {remaining} left"
    hidden = not _seen()
    for step in tqdm(
        steps, what, leave=False, file=sys.stdout, bar_format=layout, dynamic_ncols=True, disable=hidden
    ):
        SIGNALS.check()
        yield step


def _seen() -> bool:
    """Whether a bar would be: on a terminal, and where a notebook's kernel takes what is printed.

    A closed stdout is None.
    """
    if sys.stdout is None:
        return False
    return sys.stdout.isatty() or type(sys.stdout).__module__.startswith("ipykernel.")


class Progress:
    """Shows how far training has come; nothing if quiet.

    A context manager, so that the bar is closed whatever happens.
    """

    def __init__(self, done: int, total: int, batch_size: int, quiet: bool):
        self.total, self.batch_size, self.quiet = total, batch_size, quiet
        self.bar = None
        if not quiet and _seen():
            layout = "{n_fmt}/{total_fmt} |{bar}|{postfix}, {remaining} left"
            self.bar = tqdm(total=total, initial=done, bar_format=layout, file=sys.stdout, dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.close()

    def say(self, *lines: str) -> None:
        """Lines of their own, unless quiet."""
        try:
            if self.bar is not None:
                self.bar.write("\n".join(map(printable, lines)), file=sys.stdout)
            elif not self.quiet:
                show(*lines)
        except OSError:
            if SIGNALS.received is None:  # else the terminal may have been closed
                raise

    def advance(self, done: int) -> None:
        """``done`` iterations are behind us."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)

    def report(self, line: dict) -> None:
        """Show one line of metrics."""
        shown = (
            f"d_loss {line['d_loss']:.4f}  d_accuracy {line['d_accuracy']:.3f}  g_loss {line['g_loss']:.4f}  "
            f"{line['images_per_second']:,.0f} images/s"
        )
        if self.bar is not None:
            self.bar.set_postfix_str(shown)
        else:
            width = len(str(self.total))
            self.say(f"iteration {line['iteration']:>{width}}/{self.total}  {shown}  {self._left(line)}")

    def _left(self, line: dict) -> str:
        """The time left at the speed of this line, as text."""
        images = self.batch_size * (self.total - line["iteration"])
        return f"{duration(images / line['images_per_second'])} left"
