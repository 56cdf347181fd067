"""What can be asked of a generator, by the command or by a call; what cannot is an InputError in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError

_MOST = 10**7  # images: kernels can index the noise of some more


def check_digits(digits: Sequence) -> None:
    """InputError unless these are digits, letters of a text or numbers, at least one."""
    if not len(digits) or not all(re.fullmatch("[0-9]", str(digit)) for digit in digits):
        raise InputError(f"--digits must be made of 0 to 9, not {digits!r}")


def check_morph(ends: str) -> None:
    """InputError unless it is two digits that differ, with a colon between."""
    if not re.fullmatch(r"([0-9]):(?!\1)[0-9]", ends):
        raise InputError(f"--morph must be two digits that differ, such as 3:8, not {ends!r}")


def check_count(count: int) -> None:
    """InputError unless so many can be counted at all."""
    if not 1 <= count < 10**9:
        raise InputError(f"--count must be at least 1 and below 10^9, not {count}")


def check_steps(count: int | None, walk: str) -> None:
    """InputError unless a walk can have so many steps; None are as many as it has anyway."""
    if count == 1:
        raise InputError(f"--{walk}: a walk has at least 2 steps")


def check_images(images: int, flag: str) -> None:
    """InputError if they are too many; ``flag`` is what asked for them."""
    if images > _MOST:
        raise InputError(f"{flag}: {images:,} images are more than {_MOST:,}")


def no_digits(flag: str, checkpoint: Path) -> InputError:
    """What is to be raised where a plain GAN is asked for digits."""
    return InputError(f"{flag}: {checkpoint} is of a plain GAN, which cannot be asked for digits")
