"""Where readers leave, and where the mail provider calls."""

from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

from anymail.urls import urlpatterns as anymail_urls
from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from apps.notifications.views import unsubscribe
from celeriac import limited

app_name = "notifications"


def mail_events() -> list[URLPattern]:
    """Return the one webhook of the configured mail provider; without a secret, none."""
    provider = settings.EMAIL_PROVIDER
    if not provider or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return []
    names = (f"{provider}_tracking_webhook", f"{provider}_webhook")
    return [
        path(f"webhooks/mail/{url.pattern}", _guarded(url.callback), name=url.name)
        for url in anymail_urls
        if url.name in names
    ]


def _guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return a provider's webhook, limited, which refuses what can't be read."""

    @csrf_exempt
    @limited("webhook", "WEBHOOK_CALLS_PER_MINUTE")
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            found: HttpResponse = view(request, **kwargs)
        except (RecursionError, UnicodeDecodeError, JSONDecodeError) as error:
            raise BadRequest(f"The event can't be read: {error}") from error
        return found

    return answer


urlpatterns = [
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
    *mail_events(),
]
