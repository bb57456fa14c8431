"""Our own pages for what goes wrong: what it is, why, and a way back."""

import logging
import sys
import time
from typing import Any

from django.core.exceptions import DisallowedHost
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

from celeriac.core import context
from celeriac.core.database_errors import is_away

logger = logging.getLogger(__name__)

#: Seconds after which somebody who met an outage may try again.
LATER = 5
_LONGEST = 500
_SAID = {
    400: ("The request could not be read", "Something in the address or the form is not right."),
    403: ("You may not do this", "Your account was not given that right."),
    404: ("There is nothing here", "The address is wrong, or what was here is gone."),
    405: ("This is not a page", "A form or a program leads here: go back and use the form."),
    500: ("Something failed on our side", "The log has it, under the number below."),
    503: ("The database is away", "Nothing was changed. Try again in a few seconds."),
}


def error_page(
    request: HttpRequest, *, status: int, title: str = "", reason: str = ""
) -> HttpResponse:
    """Return a page that needs no database, no session and no script."""
    said = _SAID.get(status, _SAID[500])
    facts = {
        "status": status,
        "title": title or said[0],
        "reason": (reason or said[1])[:_LONGEST],
        "correlation_id": context.correlation_id(),
        "back": _page_before(request),
    }
    page = HttpResponse(render_to_string("error.html", facts), status=status)
    add_never_cache_headers(page)
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400: Django's handler400."""
    return error_page(request, status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 with the reason that the refusal gave: Django's handler403."""
    return error_page(request, status=403, reason=str(exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that is not ours or too old: CSRF_FAILURE_VIEW."""
    return error_page(
        request,
        status=403,
        title="The form has expired",
        reason="Go back, load the page anew and send it again. Cookies must be allowed.",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: Django's handler404. What was looked for may hold no word of ours."""
    said = exception.args[0] if exception.args and isinstance(exception.args[0], str) else ""
    return error_page(request, status=404, reason=said)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 where the database is away: Django's handler500."""
    error = sys.exc_info()[1]
    if error is not None and is_away(error):
        return unavailable(request, error)
    return error_page(request, status=500)


def unavailable(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Answer 503 with the time after which to try again."""
    drop_connection(error)
    page = error_page(request, status=503)
    page["Retry-After"] = str(LATER)
    return page


def drop_connection(error: BaseException) -> None:
    """Have this thread connect anew for its next request, and say why.

    A session that met a reader, or lost its prepared statements, would look healthy and
    fail for as long as it is kept.
    """
    logger.warning("the database is away: %s", str(error).partition("\n")[0])
    for connection in connections.all(initialized_only=True):
        connection.close_at = time.monotonic()


def _page_before(request: HttpRequest) -> str:
    """Return the address of the page that led here, where it is one of ours and another."""
    before = request.META.get("HTTP_REFERER", "")
    try:
        host, here = request.get_host(), request.build_absolute_uri()
    except DisallowedHost:
        return ""
    is_ours = url_has_allowed_host_and_scheme(before, {host}, require_https=request.is_secure())
    return before if is_ours and before != here else ""


class DatabaseAwayMiddleware:
    """Answers 503 wherever a view met the database being away; leaves no refusal blank."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        answer: HttpResponse = self.get_response(request)
        if answer.status_code == 405 and not answer.content:  # Django's own is a blank page
            answer.content = error_page(request, status=405).content
            answer["Content-Length"] = str(len(answer.content))  # an inner middleware counted none
        return answer

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for a view that met an outage."""
        return unavailable(request, error) if is_away(error) else None
