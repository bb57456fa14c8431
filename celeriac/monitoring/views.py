"""/healthz, /readyz and /metrics."""

import hmac
import logging
from dataclasses import asdict

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from celeriac.monitoring import health, metrics
from celeriac.monitoring.bounded_calls import NoAnswer
from celeriac.settings import conf

logger = logging.getLogger(__name__)

_CLOSED = (
    "METRICS_TOKEN is not set, so /metrics is closed: set it here, and give it to the scraper "
    "as a bearer token.\n"
)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; it asks nothing else."""
    return _plain(JsonResponse({"alive": True}))


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the platform can work, 503 where a part is missing.

    `?only=database,migrations` asks for these parts: what a load balancer should ask a web
    process, which serves on while a worker is away.
    """
    wanted = [name for name in request.GET.get("only", "").split(",") if name]
    unknown = sorted(set(wanted) - set(health.PARTS))
    if unknown:
        known = ", ".join(health.PARTS)
        return _plain(JsonResponse({"error": f"Parts are {known}."}, status=400))
    found = health.readiness()
    parts = {name: part for name, part in found.items() if not wanted or name in wanted}
    ready = all(part.ok for part in parts.values())
    body = {"ready": ready, "parts": {name: asdict(part) for name, part in parts.items()}}
    return _plain(JsonResponse(body, status=200 if ready else 503))


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Show the metrics of the contract to whoever bears METRICS_TOKEN."""
    refusal = _refusal(request)
    if refusal is not None:
        return _plain(refusal)
    try:
        page = metrics.page()
    except (DatabaseError, InterfaceError, NoAnswer) as error:
        logger.warning("/metrics has no database: %s", error)
        return _plain(_text("The database does not answer.\n", status=503))
    return _plain(HttpResponse(page, content_type=CONTENT_TYPE_LATEST))


def _refusal(request: HttpRequest) -> HttpResponse | None:
    token = conf.METRICS_TOKEN
    if not token:
        return None if settings.DEBUG else _text(_CLOSED, status=403)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return None
    refusal = _text("Give METRICS_TOKEN as a bearer token.\n", status=401)
    refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return refusal


def _text(text: str, *, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _plain(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
