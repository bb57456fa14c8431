"""Every sign-in, failure, lockout and sign-out: an audit row and a log line.

What was typed is written down where it names somebody; otherwise it may be a password
that landed in the wrong field.
"""

import logging
from typing import Any

from django.http import HttpRequest

from apps.accounts.models import User
from celeriac import audit

logger = logging.getLogger("celeriac.accounts")


def record_sign_in(
    what: str, *, address: str | None, user: Any = None, actor: Any = None, why: str = ""
) -> None:
    """Write down that a sign-in (`what` is `in`, `failed`, `locked`, `out`) happened."""
    log_sign_in(what, address=address, user=user)
    details = {"address": address, "account": str(user or "unknown")}
    target = getattr(user, "pk", None) or address or ""
    audit.record(f"sign_in.{what}", "sign in", target, actor=actor, reason=why, details=details)


def log_sign_in(what: str, *, address: str | None, user: Any = None) -> None:
    """Write the log line."""
    level = logging.INFO if what in ("in", "out") else logging.WARNING
    account = str(user or "unknown")
    logger.log(level, "sign-in %s: account=%s address=%s", what, account, address or "-")


def find_user(name: str) -> User | None:
    """Return the person of that name, in any case."""
    return User.objects.filter(email__iexact=name).first() if name else None


def is_of_the_web(request: HttpRequest | None) -> bool:
    """Return whether somebody asked for it over HTTP: a shell and a test's short cut did not."""
    return request is not None and "REQUEST_METHOD" in request.META
