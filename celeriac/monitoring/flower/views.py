"""The way to Flower: for staff with the permission, and for reading only."""

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from celeriac.core.middleware import set_policy
from celeriac.monitoring.flower import pages, upstream


# Nothing here changes anything, and Flower's own scripts know no token of ours.
@csrf_exempt
def flower(request: HttpRequest, path: str = "") -> HttpResponse:
    """Show a page of Flower to staff who may see it."""
    user = request.user
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    if not (user.is_active and user.is_staff and user.has_perm("celeriac_monitoring.view_flower")):
        raise PermissionDenied(
            "You need the permission to see Flower (celeriac_monitoring.view_flower)."
        )
    allowed = pages.allowed_methods(path)
    if not allowed:
        raise Http404("Flower shows no such page here; actions are in the admin.")
    if request.method not in allowed:
        return HttpResponseNotAllowed(allowed)
    if int(request.META.get("CONTENT_LENGTH") or 0) > upstream.MOST_ASKED:
        return HttpResponse("That is more than Flower's table asks for.", status=413)
    try:
        return _page(request, path)
    except upstream.FlowerUnavailable as error:
        return _unavailable(request, error)


def _page(request: HttpRequest, path: str) -> HttpResponse:
    answer = upstream.ask_flower(
        request.method or "GET",
        pages.upstream_path(path),
        query=request.META.get("QUERY_STRING", ""),
        headers={name: request.headers[name] for name in upstream.SENT if name in request.headers},
        body=request.body,
    )
    headers = {"Content-Type": "application/octet-stream"} | answer.headers
    response = HttpResponse(answer.body, status=answer.status, headers=headers)
    set_policy(response, pages.content_policy())
    static = path.startswith("static/")
    response["Cache-Control"] = "private, max-age=3600" if static else "private, no-store"
    return response


def _unavailable(request: HttpRequest, error: upstream.FlowerUnavailable) -> HttpResponse:
    context = admin.site.each_context(request) | {"title": "Flower", "problem": error.message}
    return TemplateResponse(request, "celeriac/flower_unavailable.html", context, status=502)
