"""What every answer under /api/ has: a line in the log, and a problem where it is an error."""

import logging
import time
from collections.abc import Callable
from urllib.parse import quote

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from celeriac.core.paths import path_info_of
from celeriac.http import problems

logger = logging.getLogger("celeriac.api")

_JSON = ("application/json", problems.MEDIA_TYPE, "application/vnd.oai.openapi")


class ApiMiddleware:
    """Logs each call with its account, and turns pages that speak of errors into problems."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._prefix = path_info_of("api:nowhere", "")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; other paths than the API's pass untouched."""
        if not request.path_info.startswith(self._prefix):
            return self.get_response(request)
        started = time.perf_counter()
        answer = self.get_response(request)
        content = answer.get("Content-Type", "")
        if answer.status_code >= 400 and not content.startswith(_JSON):
            answer = _problem(answer)
        _log(request, answer, time.perf_counter() - started)
        return answer


def _problem(answer: HttpResponseBase) -> HttpResponseBase:
    problem = problems.plain_problem(answer.status_code)
    for name in ("Allow", "ETag", "Retry-After"):
        if name in answer:
            problem[name] = answer[name]
    return problem


def _log(request: HttpRequest, answer: HttpResponseBase, seconds: float) -> None:
    account = getattr(request, "api_account", None)
    logger.info(
        "%s %s %d %.1f ms account=%s",
        request.method,
        quote(request.path)[:200],
        answer.status_code,
        seconds * 1000,
        account.name if account else "-",
    )
