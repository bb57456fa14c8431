"""How long a session lasts: a working day in all, and not for ever while nobody is there."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse

#: Moments by the web's clock, in the session.
_BEGAN, _SEEN = "signed_in_at", "seen_at"
#: A session is written so often at most for having been used; seconds.
_COARSE = 60.0


def begin(request: HttpRequest) -> None:
    """Let the session's day begin now."""
    request.session[_BEGAN] = request.session[_SEEN] = time.time()


class SessionLimits:
    """Signs out whose day is over, and whose page stood open without her."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request; visitors without a session cost nothing."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            _look(request)
        return self.get_response(request)


def _look(request: HttpRequest) -> None:
    now, session = time.time(), request.session
    if _BEGAN not in session:
        begin(request)
    idle = settings.SESSION_IDLE_SECONDS
    if now - session[_BEGAN] >= settings.SESSION_COOKIE_AGE:
        _end(request, "the working day of the session was over")
    elif idle and now - session[_SEEN] >= idle:
        _end(request, "nobody used the session")
    elif _is_hers(request) and now - session[_SEEN] >= min(_COARSE, (idle or _COARSE) / 10):
        session[_SEEN] = now


def _end(request: HttpRequest, why: str) -> None:
    request.session_over = why  # type: ignore[attr-defined]  # for the trail
    logout(request)


def _is_hers(request: HttpRequest) -> bool:
    """Return whether a person did it: pages ask by themselves how things stand."""
    return request.method == "POST" or request.headers.get("Sec-Fetch-Mode") in (None, "navigate")
