"""Leaving bulk mail: a page for people, one click for mail programs."""

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.notifications import services
from apps.notifications.errors import InvalidToken
from apps.notifications.unsubscribe import address_of
from celeriac import limited


# The token in the address is the authority: RFC 8058 posts without cookies or a login.
@csrf_exempt
@limited("public", "PUBLIC_CALLS_PER_MINUTE")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask on GET, which programs follow by themselves; unsubscribe on POST. Never redirect."""
    try:
        address = address_of(token)
    except InvalidToken:
        return _page(request, "invalid", status=404)
    if request.method == "POST":
        services.unsubscribe(token=token)
        return _page(request, "done", address)
    return _page(request, "ask", address)


def _page(request: HttpRequest, what: str, address: str = "", status: int = 200) -> HttpResponse:
    context = {"what": what, "address": address}
    page = TemplateResponse(request, "notifications/unsubscribe.html", context, status=status)
    page["X-Robots-Tag"] = "noindex"
    return page
