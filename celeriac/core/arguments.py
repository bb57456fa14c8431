"""Types of command line options: what can't be meant is refused with the option's name."""

import getpass
import math
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress

#: The longest span that anything here takes: ten years, in seconds.
LONGEST = 10 * 366 * 86_400.0
_LONGEST_NAME = 200


def seconds_argument(text: str) -> float:
    """Return a span in seconds: more than none, ten years at most."""
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not (math.isfinite(value) and 0 < value <= LONGEST):
        raise ArgumentTypeError(f"{text} s is outside 0 to ten years")
    return value


def whole_argument(most: int) -> Callable[[str], int]:
    """Return a type for whole numbers from 1 to `most`."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {most:,}")
        return int(text)

    return number


def add_actor(parser: ArgumentParser) -> None:
    """Take `--actor`, the person whom the audit trail names; the login name by default."""
    parser.add_argument(
        "--actor",
        type=_actor,
        default=login_name(),
        metavar="NAME",
        help="who does it, for the audit trail; without: the login name (%(default)s)",
    )


def _actor(text: str) -> str:
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or ":" in name:
        raise ArgumentTypeError(f"{text!r} is no name of a person")
    return name


def login_name() -> str:
    """Return who is logged in: at the terminal, behind sudo too, else whose process it is."""
    for ask in (os.getlogin, getpass.getuser):
        with suppress(KeyError, OSError):  # no terminal; a container's user may have no name
            return ask()
    return f"uid {os.getuid()}"
