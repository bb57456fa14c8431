"""Where requests go."""

from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

from anymail.urls import urlpatterns as anymail_urls
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from apps.notifications.views import unsubscribe
from apps.payments.views import stripe_webhook
from celeriac.core.rates import limited


def mail_events() -> list[URLPattern]:
    """Return the one webhook of the configured mail provider; without a secret, none."""
    provider = settings.EMAIL_PROVIDER
    if not provider or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return []
    names = (f"{provider}_tracking_webhook", f"{provider}_webhook")
    found = [url for url in anymail_urls if url.name in names]
    return [path(str(url.pattern), guarded(url.callback), name=url.name) for url in found]


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return a provider's webhook, limited, which refuses what can't be read."""

    @csrf_exempt
    @limited("webhook", "WEBHOOK_CALLS_PER_MINUTE")
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:  # noqa: ANN401 the view's
        try:
            found: HttpResponse = view(request, **kwargs)
        except (RecursionError, UnicodeDecodeError, JSONDecodeError) as error:
            raise BadRequest(f"The event can't be read: {error}") from error
        return found

    return answer


handler400 = "celeriac.core.errorpages.bad_request"
handler403 = "celeriac.core.errorpages.permission_denied"
handler404 = "celeriac.core.errorpages.not_found"
handler500 = "celeriac.core.errorpages.server_error"

urlpatterns = [
    path("", include("celeriac.monitoring.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/dashboard/data/", include("celeriac.console.dashboard.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("celeriac.http.urls")),
    path("flower/", include("celeriac.monitoring.flower.urls")),
    path("webhooks/stripe/", stripe_webhook, name="stripe-webhook"),
    path("webhooks/mail/", include(mail_events())),
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
]
