"""The web server's entry."""

import os
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")


class Request(WSGIRequest):
    """A request whose text is UTF-8, whatever charset its Content-Type names.

    Django would read the query with any codec that Python has, before the first middleware:
    one that is none of text, such as hex, ended as the web server's own bare 500.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        parts = meta.get("CONTENT_TYPE", "").split(";")
        named = [part for part in parts if not part.strip().lower().startswith("charset")]
        plain = {"CONTENT_TYPE": ";".join(named)}
        super()._set_content_type_params(plain)  # type: ignore[misc]  # not in the stubs


application = get_wsgi_application()
application.request_class = Request
