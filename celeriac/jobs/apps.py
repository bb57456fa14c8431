"""App configuration."""

from importlib import import_module

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules

from celeriac.core.needs import Needs
from celeriac.settings import conf


class JobsConfig(Needs, AppConfig):
    """The ledger: a job is a row, and this app owns its life."""

    name = "celeriac.jobs"
    label = "celeriac_jobs"
    verbose_name = "Jobs"
    needed_apps = ("django.contrib.postgres", "celeriac.core", "celeriac.breakers")

    def ready(self) -> None:
        """Load the declared kinds; make the queues' rows whenever tables were made."""
        from celeriac.jobs import checks, databases  # models are loaded by now, not before
        from celeriac.jobs.callbacks.checks import check_callbacks
        from celeriac.jobs.enqueueing import queues
        from celeriac.jobs.hosts import check_ledger_app

        # Dispatchers lease rows, and only `migrate` knows when they can be made.
        post_migrate.connect(queues.after_migrate, sender=self, dispatch_uid="jobs.queues")
        register(checks.check_heartbeat)
        register(checks.check_addresses)
        register(checks.check_broker)
        register(checks.check_rabbit)
        register(checks.check_queues)
        register(checks.check_connections, Tags.database)
        register(checks.check_time_zones)
        register(checks.check_kinds)
        register(checks.check_platform)
        register(databases.check_routers)
        register(databases.check_schemas)
        register(check_callbacks)
        register(check_ledger_app)
        for module in conf.MODULES:
            import_module(module)
        autodiscover_modules("tasks", "jobs")
