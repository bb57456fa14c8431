"""Django's registration of the app."""

from django.apps import AppConfig, apps
from django.contrib import admin
from django.core.checks import register
from django.db.models.signals import post_migrate

from apps.core.paginating import InfinitePaginator


class OpsConfig(AppConfig):
    """What Django calls it; makes the dashboard the admin's landing page."""

    name = "apps.ops"

    def ready(self) -> None:
        """Dress the admin, register what `manage.py check` looks at, and see to the groups."""
        from apps.ops.flower.checks import check_flower  # apps are loaded by now, not before
        from apps.ops.verbs import roles

        register(check_flower)
        *_, last = apps.get_app_configs()  # when its permissions stand, all do
        post_migrate.connect(roles.after_migrate, sender=last, dispatch_uid="ops.roles")
        admin.site.index_template = "ops/dashboard.html"
        admin.site.index_title = "Control room"
        # Defaults, so that also the lists of other people's apps count nothing.
        admin.ModelAdmin.paginator = InfinitePaginator
        admin.ModelAdmin.show_full_result_count = False
