"""Addresses of the project; each request is a transaction."""

from django.contrib import admin
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from celeriac import enqueue
from celeriac.jobs.errors import WaitsForItself
from tests.host import telemetry


def found(request):
    """Tell what this process finds of what the project has initialised."""
    return JsonResponse(telemetry.found())


def ask(request):
    """Wait for a job of this very request: it can't start before the request's transaction ends."""
    try:
        enqueue("seen.found", {}).get()
    except WaitsForItself as error:
        return HttpResponse(str(error), status=409)
    return HttpResponse("never")


def give(request):
    """Enqueue a job, and fail where that is asked for."""
    handle = enqueue("seen.secret", {"card": "4111-1111"})
    if "fail" in request.GET:
        raise RuntimeError("as asked")
    return HttpResponse(str(handle.id))


urlpatterns = [
    path("found/", found),
    path("ask/", ask),
    path("give/", give),
    path("backstage/", admin.site.urls),
    path("api/", include("celeriac.http.urls")),
    path("", include("celeriac.monitoring.urls")),
]
