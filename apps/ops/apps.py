"""Django's registration of the app."""

from django.apps import AppConfig
from django.contrib import admin
from django.core.checks import register

from apps.core.paginating import InfinitePaginator


class OpsConfig(AppConfig):
    """What Django calls it; makes the dashboard the admin's landing page."""

    name = "apps.ops"

    def ready(self) -> None:
        """Dress the admin, and register what `manage.py check` looks at."""
        from apps.ops.flower.checks import check_flower  # apps are loaded by now, not before

        register(check_flower)
        admin.site.index_template = "ops/dashboard.html"
        admin.site.index_title = "Control room"
        # Defaults, so that also the lists of other people's apps count nothing.
        admin.ModelAdmin.paginator = InfinitePaginator
        admin.ModelAdmin.show_full_result_count = False
