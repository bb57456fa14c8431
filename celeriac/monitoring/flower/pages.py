"""What of Flower may be asked for: pages that show, named one by one.

Everything else is not there: Flower's verbs (shut down, grow, revoke, apply and the rest)
belong in the admin, where each is a permission and leaves an audit row; its /metrics and
/healthcheck ask nobody for a password.
"""

import hashlib
import re
from base64 import b64encode
from urllib.parse import quote

from celeriac.core.paths import path_info_of

#: Segments of a path hold no slash, so that a relative one can't climb out.
_SEGMENT = r"[^/\\\x00-\x1f\x7f]+"
_READ = re.compile(
    rf"|workers|worker/{_SEGMENT}|tasks|task/{_SEGMENT}|broker"
    rf"|api/workers|api/tasks|api/task/types|api/task/info/{_SEGMENT}|api/queues/length"
    r"|static(/[A-Za-z0-9_.-]+)+"
)
#: Read by a POST, for its many columns.
TABLE = "tasks/datatable"

#: The one inline script of Flower's pages, as it stands with and without refreshing itself.
_INLINE = ("\nvar autorefresh = 1;\n", "\nvar autorefresh = 0;\n")


def allowed_methods(path: str) -> tuple[str, ...]:
    """Return the methods that Flower's `path` (without a leading slash) may be asked with."""
    if {".", ".."} & set(path.split("/")):
        return ()
    if path == TABLE:
        return ("GET", "HEAD", "POST")
    return ("GET", "HEAD") if _READ.fullmatch(path) else ()


def upstream_path(path: str) -> str:
    """Return the path at Flower, which believes itself where this site shows it, encoded anew."""
    return f"{path_info_of('flower:index')}{quote(path, safe='/@')}"


def content_policy() -> dict[str, list[str]]:
    """Return the content security policy of Flower's pages: its own files and that one script.

    They share their origin with the admin, so nothing may be added to a page that
    Flower did not ship.
    """
    return {
        "default-src": ["'none'"],
        "script-src": ["'self'", *(_digest(text) for text in _INLINE)],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
