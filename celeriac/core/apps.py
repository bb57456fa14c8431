"""App configuration."""

from django.apps import AppConfig

from celeriac.settings import conf


class CoreConfig(AppConfig):
    """What every app may lean on: clock, errors, ids, logging context."""

    name = "celeriac.core"
    label = "celeriac_core"
    verbose_name = "Audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have what is counted published, and every command print on any terminal."""
        from celeriac.core.counting import publish  # settings are not read at import
        from celeriac.core.printing import escape_unprintable

        escape_unprintable()

        if conf.METRICS_PUBLISH:
            publish.publish_by_thread()
