"""Django's registration of the app."""

from django.apps import AppConfig
from django.contrib import admin


class OpsConfig(AppConfig):
    """What Django calls it; makes the dashboard the admin's landing page."""

    name = "apps.ops"

    def ready(self) -> None:
        """Give the admin's index our template."""
        admin.site.index_template = "ops/dashboard.html"
        admin.site.index_title = "Control room"
