"""Middleware that every request passes."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from celeriac.core import context, tracing
from celeriac.settings import conf

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


class TraceMiddleware:
    """Makes each request one span, joined to the trace that the client is in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request within its span; its name and facts hold no value from the path."""
        parent = request.headers.get("traceparent")
        with tracing.span(f"{request.method}", "server", parent=parent) as span:
            response = self.get_response(request)
            if span is not None:
                route = f"/{getattr(request.resolver_match, 'route', '')}"
                span.update_name(f"{request.method} {route}")
                span.set_attribute("http.request.method", request.method or "")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", response.status_code)
                span.set_attribute("celeriac.correlation_id", context.correlation_id())
        return response


class AdminPolicyMiddleware(MiddlewareMixin):
    """Lets the admin's own pages evaluate expressions: only their Alpine build needs that.

    Errors, the API, webhooks and unsubscribing keep to SECURE_CSP.
    """

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """Give a page that wears the admin's frame the admin's policy."""
        wears_frame = "site_header" in (response.context_data or {})
        if wears_frame and conf.ADMIN_CSP is not None and not hasattr(response, "_csp_config"):
            set_policy(response, conf.ADMIN_CSP)
        return response


def set_policy(response: Any, policy: dict[str, list[str]]) -> None:
    """Give a response a content policy of its own, as Django's csp_override does (Django 6.0)."""
    response._csp_config = policy
