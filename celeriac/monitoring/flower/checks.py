"""System checks: Flower is never open, and its address is one."""

from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error

from celeriac.settings import conf

#: Characters of its password.
SHORTEST = 12


def check_flower(**_: Any) -> list[CheckMessage]:
    """Report a login without a password worth the name, and an address that is none."""
    found: list[CheckMessage] = []
    for login in filter(None, conf.FLOWER_BASIC_AUTH.split(",")):
        user, colon, password = login.partition(":")
        if not (user and colon) or len(password) < SHORTEST:
            text = f"FLOWER_BASIC_AUTH needs user:password, {SHORTEST} characters or more."
            found.append(Error(text, hint="Make a random password.", id="celeriac_monitoring.E201"))
    parts = urlsplit(conf.FLOWER_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        text = f"FLOWER_URL={conf.FLOWER_URL!r} is not where a Flower could be."
        found.append(
            Error(text, hint="Such as http://127.0.0.1:5555.", id="celeriac_monitoring.E202")
        )
    return found
