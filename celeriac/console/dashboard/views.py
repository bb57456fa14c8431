"""The dashboard's page and its data."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from celeriac.console.dashboard import charts, payload
from celeriac.console.sites import LANDING, TITLE, address, site_context
from celeriac.monitoring.rollups import chart_series


@require_GET
@never_cache
def data(request: HttpRequest) -> JsonResponse:
    """Return what one refresh shows; 403 for whoever may see none of it."""
    if not payload.may_see(request.user):
        return JsonResponse({"detail": "Sign in as staff with a permission to view."}, status=403)
    found = payload.build_payload(
        request.user, window=_window(request), seen=request.GET.get("seen", "")
    )
    return JsonResponse(found)


def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the dashboard on a page of its own: a site's landing page may be somebody else's."""
    if not payload.may_see(request.user):
        raise PermissionDenied
    given = {**site_context(request), "title": TITLE}
    return TemplateResponse(request, LANDING, context(request, given))


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Add to the landing page's context what the dashboard starts with."""
    if payload.may_see(request.user):
        given["dashboard"] = {
            "url": address("admin:celeriac_dashboard_data"),
            "first": payload.build_payload(request.user, window=charts.DEFAULT),
        }
        given["windows"] = payload.chart_windows()
        given["chosen"] = charts.DEFAULT
    return given


def _window(request: HttpRequest) -> str:
    asked = request.GET.get("window", "")
    return asked if asked in chart_series.WINDOWS else charts.DEFAULT
