"""The environment, read: a value is used as it stands, or refused by its name.

Nothing is guessed: no `$` is followed, no unit is cut off, no unknown word means false. What is
unset or blank (compose passes an unset variable on as a blank one) is the default.
"""

import math
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "ok", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
#: What Kubernetes sets in every pod for each service of its namespace: `WEB_PORT=tcp://10.0.0.1:80`.
_SERVICE = re.compile(r"(tcp|udp|sctp)://")


def forget_service_ports() -> None:
    """Take Kubernetes' own `…_PORT` variables, and blank ones, out of this process's environment.

    They are nobody's choice, and programs that read the name themselves (Flower) stumble over them.
    """
    for name, value in list(os.environ.items()):
        if name.endswith("_PORT") and (_SERVICE.match(value) or not value.strip()):
            del os.environ[name]


def read_flag(name: str, text: str) -> bool:
    """Return a yes or no, written in any case."""
    try:
        return _WORDS[text.strip().lower()]
    except KeyError:
        raise ImproperlyConfigured(f"{name} is {text!r}: write true or false.") from None


def read_whole(name: str, text: str) -> int:
    """Return a whole number that is not negative; a unit is refused."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ImproperlyConfigured(
            f"{name} is {text!r}: write a whole number without a unit, such as 30."
        )
    return number


def read_number(name: str, text: str) -> float:
    """Return a finite number that is not negative; a unit is refused."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ImproperlyConfigured(
            f"{name} is {text!r}: write a number without a unit, such as 30 or 0.5."
        )
    return number


def read_list(name: str, text: str) -> list[str]:
    """Return what commas separate, without the blanks around it."""
    return [part.strip() for part in text.split(",") if part.strip()]


_READERS: dict[type, Callable[[str, str], Any]] = {
    str: lambda name, text: text,
    bool: read_flag,
    int: read_whole,
    float: read_number,
    list: read_list,
}


class Env(environ.Env):  # type: ignore[misc]  # django-environ bears no types
    """django-environ's `str`, `bool`, `int`, `float` and `list`, read by the rules above."""

    def get_value(
        self,
        var: str,
        cast: type | None = None,
        default: Any = environ.Env.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        """Return the variable's value, or the default; ImproperlyConfigured names the variable."""
        text = os.environ.get(var, "")
        if text.strip():
            return _READERS[cast or str](var, text)
        if default is self.NOTSET:
            raise ImproperlyConfigured(f"Set {var} in the environment.")
        return default

    def word(self, var: str, choices: Iterable[str], *, default: str) -> str:
        """Return the one of `choices` that the variable names, in any case."""
        text = self.get_value(var, default=default).strip()
        for choice in choices:
            if choice.lower() == text.lower():
                return choice
        raise ImproperlyConfigured(f"{var} is {text!r}: write one of {', '.join(choices)}.")


forget_service_ports()
env = Env()
