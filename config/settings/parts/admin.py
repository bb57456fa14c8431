"""How the admin looks."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _favicon(request: HttpRequest) -> str:
    return static("celeriac/favicon.svg")


def _styles(request: HttpRequest) -> str:
    return static("celeriac/admin.css")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Celeriac",
    "SITE_HEADER": "Celeriac",
    "SITE_SUBHEADER": "jobs that happen",
    "STYLES": [_styles],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _favicon}],
    "SHOW_HISTORY": False,
    "LOGIN": {"form": "apps.accounts.forms.SignInForm"},
    "DASHBOARD_CALLBACK": "celeriac.console.dashboard.views.context",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": "celeriac.console.navigation.sidebar_of",
    },
}
