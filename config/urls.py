"""Where requests go."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from apps.payments.views import stripe_webhook

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("webhooks/stripe/", stripe_webhook, name="stripe-webhook"),
]
