"""App configuration."""

from importlib import import_module

from django.apps import AppConfig

from celeriac import plug_in


class NotificationsConfig(AppConfig):
    """Email: messages that must be sent once."""

    name = "apps.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Connect the receivers, tell of jobs and join the console: all need the models."""
        import_module("apps.notifications.receivers")
        import_module("apps.notifications.job_page").register_sections()
        plug_in(import_module("apps.notifications.plugin").PLUGIN)
