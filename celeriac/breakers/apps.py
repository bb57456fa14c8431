"""App configuration."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate

from celeriac.core.needs import Needs


class BreakersConfig(Needs, AppConfig):
    """Circuit breakers that every process shares."""

    name = "celeriac.breakers"
    label = "celeriac_breakers"
    verbose_name = "Circuits"
    needed_apps = ("celeriac.core",)

    def ready(self) -> None:
        """Check the settings, and make the declared breakers' rows after each migrate."""
        from celeriac.breakers.checks import check_options  # settings are not read at import

        register(check_options)
        # A row must stand before a claim can join it, and only `migrate` knows when it can.
        post_migrate.connect(_declare_rows, sender=self, dispatch_uid="celeriac.breakers.rows")


def _declare_rows(**_: Any) -> None:
    from celeriac.breakers.services import declare_rows  # models are not loaded at import

    declare_rows()
