"""System checks: what can be known wrong before the first call."""

from typing import Any

from django.core.checks import CheckMessage, Error

from celeriac.breakers import options as options_module
from celeriac.breakers.classify import judge_from
from celeriac.breakers.errors import BreakerError


def check_options(**_: Any) -> list[CheckMessage]:
    """Report each breaker in settings whose options do not fit."""
    found: list[CheckMessage] = []
    for name in options_module.declared_breakers():
        try:
            judge_from(options_module.breaker_options(name).provider_fault)
        except BreakerError as error:
            title = f"BREAKERS[{name!r}]: "
            text = title + str(error).removeprefix(title)
            found.append(Error(text, id="celeriac_breakers.E001"))
    return found
