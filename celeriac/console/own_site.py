"""The console as a site of its own, at whatever path a project mounts it.

::

CELERIAC = {"CONSOLE_SITE": "celeriac.console.own_site.console"}

from celeriac.console.own_site import console
urlpatterns = [path("jobs/", console.urls)]
"""

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse

from celeriac.console.dashboard.views import context
from celeriac.console.sites import LANDING, TITLE
from celeriac.console.theme import AdminSite


class ConsoleSite(AdminSite):  # type: ignore[misc]  # unfold ships no types
    """The library's pages, and no one else's; the dashboard is its landing page."""

    index_template = LANDING
    site_title = site_header = "Celeriac"
    index_title = TITLE

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the dashboard."""
        page: TemplateResponse = super().index(request, context(request, extra_context or {}))
        return page


#: The console as a site of its own.
console = ConsoleSite("celeriac")
