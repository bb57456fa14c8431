"""Middleware that every request passes."""

import re
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

from apps.core import context

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


class CorrelationIdMiddleware:
    """Takes `X-Correlation-ID` from the request or makes one, binds and returns it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with its id bound."""
        given = request.headers.get("X-Correlation-ID", "")
        name = given if _ACCEPTED.fullmatch(given) else uuid4().hex
        with context.bind(correlation_id=name):
            response = self.get_response(request)
        response["X-Correlation-ID"] = name
        return response
