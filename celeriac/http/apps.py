"""Django's registration of the app."""

from django.apps import AppConfig

from celeriac.core.needs import Needs
from celeriac.core.plugins import Plugin, plug_in


class HttpConfig(Needs, AppConfig):
    """The HTTP API, for service accounts."""

    name = "celeriac.http"
    label = "celeriac_http"
    verbose_name = "HTTP API"
    needed_apps = ("rest_framework", "celeriac.jobs")
    extra = "http"

    def ready(self) -> None:
        """Add the accounts' page to the console."""
        plug_in(
            Plugin(
                name="http",
                sidebar={"Who may what": (("Service accounts", "celeriac_http.serviceaccount"),)},
                viewed=frozenset({"celeriac_http"}),
                audited=("service account",),
            )
        )
