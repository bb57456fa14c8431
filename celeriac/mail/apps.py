"""Django's registration of the app."""

from django.apps import AppConfig
from django.core.checks import register

from celeriac.core.needs import Needs
from celeriac.core.plugins import Plugin, plug_in


class MailConfig(Needs, AppConfig):
    """Django's e-mail as jobs."""

    name = "celeriac.mail"
    label = "celeriac_mail"
    verbose_name = "Mail"
    needed_apps = ("celeriac.jobs",)

    def ready(self) -> None:
        """Join the console, and check the backend that sends."""
        from celeriac.mail.checks import check_backend

        register(check_backend)
        plug_in(
            Plugin(
                name="mail",
                sidebar={"Mail": (("Messages", "celeriac_mail.message"),)},
                viewed=frozenset({"celeriac_mail"}),
                kept={"celeriac_mail.Message": "maintenance.prune deletes it with its job"},
                large_tables=frozenset({"celeriac_mail.Message"}),
            )
        )
