"""A progress bar on a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tqdm import tqdm


def bar(steps: Iterable, what: str) -> Iterable:
    """The same steps; while they are walked, how far that is.  The bar is gone at the end."""
    layout = "{desc} {n_fmt}/{total_fmt} |{bar}| {remaining} left"
    hidden = not sys.stdout.isatty()
    return tqdm(
        steps, what, leave=False, file=sys.stdout, bar_format=layout, dynamic_ncols=True, disable=hidden
    )
