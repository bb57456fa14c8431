"""Types of command line options: what can't be meant is refused with the option's name."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

#: The longest span that anything here takes: ten years, in seconds.
LONGEST = 10 * 366 * 86_400.0


def seconds(text: str) -> float:
    """Return a span in seconds: more than none, ten years at most."""
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not (math.isfinite(value) and 0 < value <= LONGEST):
        raise ArgumentTypeError(f"{text} s is outside 0 to ten years")
    return value


def whole(most: int) -> Callable[[str], int]:
    """Return a type for whole numbers from 1 to `most`."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {most:,}")
        return int(text)

    return number
