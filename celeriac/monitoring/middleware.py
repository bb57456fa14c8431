"""Probes come first: by address instead of host name, without TLS, and many."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from celeriac.monitoring.views import healthz, metrics_page, readyz

_DOORS = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics_page}


class ProbeMiddleware:
    """Answers probes before hosts are checked, requests redirected to TLS or sessions opened."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe, pass everything else on."""
        view = _DOORS.get(request.path_info)
        return self.get_response(request) if view is None else view(request)
