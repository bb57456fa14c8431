"""How many wrong passwords an account and an address may give: django-axes, by our rules."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse

from apps.accounts import sessions, sign_ins
from celeriac import audit, error_page

#: As wide as the column.
_LONGEST = 255


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # axes ships no types
    """Counts as axes does, but an address, behind which many sit, may fail more often.

    A right password forgets the failures of its own account alone: axes would forget those
    of the address too, and whoever has an account could try others' passwords for ever.
    """

    def user_login_failed(
        self,
        sender: Any,
        credentials: Mapping[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a failure and write it down; one that was refused unread is a log line only."""
        was_locked = getattr(request, "axes_locked_out", False)
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is None:
            return
        user = sign_ins.find_user(account_name(request, credentials))
        address: str | None = request.axes_ip_address  # type: ignore[attr-defined]  # axes'
        if was_locked:
            sign_ins.log_sign_in("refused", address=address, user=user)
            return
        sign_ins.record_sign_in("failed", address=address, user=user)
        if request.axes_locked_out:  # type: ignore[attr-defined]  # axes'
            sign_ins.record_sign_in("locked", address=address, user=user)

    def user_logged_in(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Write down who came in, from where; her failures are forgotten, the session begins."""
        super().user_logged_in(sender, request, user, **kwargs)
        sessions.begin(request)
        if sign_ins.is_of_the_web(request):
            forget_failures(user.get_username())
            address: str | None = request.axes_ip_address  # type: ignore[attr-defined]  # axes'
            sign_ins.record_sign_in("in", address=address, user=user, actor=user)

    def user_logged_out(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Write down who left, or whose session ended."""
        super().user_logged_out(sender, request, user, **kwargs)
        if user is not None and sign_ins.is_of_the_web(request):
            address: str | None = request.axes_ip_address  # type: ignore[attr-defined]  # axes'
            why = getattr(request, "session_over", "")
            sign_ins.record_sign_in("out", address=address, user=user, actor=user, why=why)

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        """Return the failures that count: those of the account, or as many as the address's are."""
        of_account, of_address = (
            attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        if request.axes_ip_address is None:  # type: ignore[attr-defined]  # axes'
            return int(of_account)
        share = of_address * settings.SIGN_IN_FAILURES // settings.SIGN_IN_FAILURES_AT_ADDRESS
        return int(max(of_account, share))


def account_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """Return the account that a sign-in is for, in one spelling: what axes counts by."""
    given = (credentials or {}).get("username")
    return normalise_name(str(request.POST.get("username", "") if given is None else given))


def normalise_name(name: str) -> str:
    """Return a typed name as the sign-in form reads it, any case being one."""
    text = unicodedata.normalize("NFKC", name.replace("\x00", "")).strip().lower()
    return text[:_LONGEST]


def locked_page(
    request: HttpRequest, response: HttpResponse | None = None, credentials: object = None
) -> HttpResponse:
    """Return the page for somebody who must wait; it tells not whether such an account exists."""
    minutes = max(1, round(settings.SIGN_IN_LOCK_SECONDS / 60))
    page = error_page(
        request,
        status=429,
        title="Too many wrong passwords",
        reason=f"Try again in {minutes} minutes, or ask an administrator to unlock the account.",
    )
    page["Retry-After"] = str(settings.SIGN_IN_LOCK_SECONDS)
    return page


def forget_failures(name: str) -> int:
    """Forget the failures of an account, as after a right password; return how many rows."""
    count: int = AccessAttempt.objects.filter(username=normalise_name(name)).delete()[0]
    return count


def unlock_failures(*, attempt: Any, by: str, actor: object, reason: str) -> int:
    """Forget the failures of the row's account or address; return how many rows went.

    `by` is `username` or `ip_address`.
    """
    value = getattr(attempt, by)
    with transaction.atomic():
        count: int = AccessAttempt.objects.filter(**{by: value}).delete()[0]
        audit.record(
            "sign_in.unlock",
            "sign in",
            value,
            actor=actor,
            count=count,
            reason=reason,
            details={"by": "account" if by == "username" else "address"},
        )
    return count
