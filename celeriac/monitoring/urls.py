"""Where machines ask."""

from django.urls import path

from celeriac.monitoring.views import healthz, metrics_page, readyz

app_name = "monitoring"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics_page, name="metrics"),
]
