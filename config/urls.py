"""Where requests go."""

from anymail.urls import urlpatterns as anymail_urls
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, include, path
from django.views.generic import RedirectView

from apps.notifications.views import unsubscribe
from apps.payments.views import stripe_webhook


def mail_events() -> list[URLPattern]:
    """Return the one webhook of the configured mail provider; without a secret, none."""
    provider = settings.EMAIL_PROVIDER
    if not provider or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return []
    names = (f"{provider}_tracking_webhook", f"{provider}_webhook")
    return [url for url in anymail_urls if url.name in names]


handler400 = "apps.core.errorpages.bad_request"
handler403 = "apps.core.errorpages.permission_denied"
handler404 = "apps.core.errorpages.not_found"
handler500 = "apps.core.errorpages.server_error"

urlpatterns = [
    path("", include("apps.ops.signals.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/dashboard/data/", include("apps.ops.dashboard.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("apps.api.urls")),
    path("flower/", include("apps.ops.flower.urls")),
    path("webhooks/stripe/", stripe_webhook, name="stripe-webhook"),
    path("webhooks/mail/", include(mail_events())),
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
]
