"""Probes come first: by address instead of host name, without TLS, and many."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from celeriac.core.paths import path_info_of
from celeriac.monitoring.views import healthz, metrics_page, readyz


class ProbeMiddleware:
    """Answers probes before hosts are checked, requests redirected to TLS or sessions opened."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        probes = {"healthz": healthz, "readyz": readyz, "metrics": metrics_page}
        self._views = {path_info_of(f"monitoring:{name}"): view for name, view in probes.items()}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe, pass everything else on."""
        view = self._views.get(request.path_info)
        return self.get_response(request) if view is None else view(request)
