"""Django's registration of the app."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from celeriac.core.needs import Needs


class ConsoleConfig(Needs, AppConfig):
    """What Django calls it."""

    name = "celeriac.console"
    label = "celeriac_console"
    verbose_name = "Console"
    needed_apps = ("django.contrib.admin", "celeriac.jobs", "celeriac.monitoring")
    extra = "admin"

    def ready(self) -> None:
        """See to the groups."""
        from celeriac.console.actions import groups  # apps are loaded by now, not before

        *_, last = apps.get_app_configs()  # when its permissions stand, all do
        # Groups are given permissions, which Django makes when it has migrated.
        post_migrate.connect(groups.after_migrate, sender=last, dispatch_uid="celeriac.roles")
