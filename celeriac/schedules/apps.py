"""App configuration."""

from importlib import import_module

from django.apps import AppConfig

from celeriac.core.needs import Needs


class SchedulesConfig(Needs, AppConfig):
    """Schedules: each tick becomes at most one job, as its policy says."""

    name = "celeriac.schedules"
    label = "celeriac_schedules"
    verbose_name = "Schedules"
    needed_apps = ("django_celery_beat", "celeriac.jobs")
    extra = "schedules"

    def ready(self) -> None:
        """Read odd rows, connect the receivers and tell of jobs; all need the models."""
        import_module("celeriac.schedules.zones").read_unknown()
        import_module("celeriac.schedules.receivers")
        import_module("celeriac.schedules.job_page").register_sections()
