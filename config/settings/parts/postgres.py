"""DATABASE_URL, read: what it says wins over every default."""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from celeriac.core.environment import env, read_flag, read_whole

_SCHEMES = ("postgres", "postgresql", "psql", "pgsql")
#: Django's own, which stand beside OPTIONS.
_FLAGS = ("atomic_requests", "autocommit", "conn_health_checks", "disable_server_side_cursors")
_TOO_MUCH = (
    "DATABASE_URL can't be read: write it as postgres://user:password@host:5432/name, with "
    "special characters of the password percent-encoded (# as %23, / as %2F, ? as %3F)."
)
# A server that went without a word (its host died, a firewall drops what is sent) is given
# up after half a minute instead of the system's quarter of an hour.
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}


def database_settings(url: str, *, prepared: bool = True) -> dict[str, Any]:
    """Return Django's settings of the database; raises ImproperlyConfigured."""
    try:
        parts = urlsplit(url)
        read = environ.Env.db_url_config(url.partition("?")[0])
    except ValueError:
        raise ImproperlyConfigured(_TOO_MUCH) from None
    if parts.scheme not in _SCHEMES:
        raise ImproperlyConfigured(
            f"DATABASE_URL begins with {parts.scheme}://: the ledger lives in PostgreSQL."
        )
    if parts.fragment or ("@" in url and "@" not in parts.netloc):
        raise ImproperlyConfigured(_TOO_MUCH)
    host = parts.netloc.rpartition("@")[2]
    if host.lower().startswith("%2f"):  # a socket's folder, as libpq writes it
        read |= {"HOST": unquote(host), "PORT": ""}
    said, options = _query(parts.query)
    pooled = bool(options.get("pool"))
    return {
        **read,
        "ENGINE": "django.db.backends.postgresql",
        # A pool keeps connections itself; Django refuses both at once.
        "CONN_MAX_AGE": 0 if pooled else 600,
        "CONN_HEALTH_CHECKS": True,
        **said,
        "OPTIONS": {
            **_PATIENCE,
            "application_name": "celeriac",
            # The ledger's hot statements are prepared. Switch it off behind a
            # pooler that knows no prepared statements (PgBouncer before 1.21).
            "prepare_threshold": 0 if prepared else None,
            **options,
        },
    }


def _query(query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a URL's query says to Django, and what it says to psycopg."""
    said: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        name, place = key.lower(), f"DATABASE_URL's {key}"
        if name in _FLAGS:
            said[name.upper()] = read_flag(place, text)
        elif name == "conn_max_age":
            said["CONN_MAX_AGE"] = _none_or_whole(place, text)
        elif name == "prepare_threshold":
            options[name] = _none_or_whole(place, text)
        elif name == "server_side_binding":
            options[name] = read_flag(place, text)
        elif name == "pool":
            options[name] = _pool(place, text)
        else:
            options[key] = int(text) if re.fullmatch("0|[1-9][0-9]*", text) else text
    return said, options


def _none_or_whole(name: str, text: str) -> int | None:
    return None if text.strip().lower() == "none" else read_whole(name, text)


def _pool(name: str, text: str) -> bool | dict[str, Any]:
    """Return a pool's options, written as JSON, or whether there is one."""
    if not text.strip().startswith("{"):
        return read_flag(name, text)
    try:
        options: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no JSON object: {error}.") from None
    return options


def check_local(database: dict[str, Any]) -> None:
    """Refuse a database on another host; raises ImproperlyConfigured.

    Where the URL names none, libpq asks its own variables.
    """
    strangers = [host for host in _hosts(database) if not _is_local(host)]
    if strangers:
        raise ImproperlyConfigured(
            f"config.settings.development runs with DEBUG and a key that everybody knows, and the "
            f"database is on {', '.join(strangers)}: set "
            "DJANGO_SETTINGS_MODULE=config.settings.production, or let DATABASE_URL name a "
            "database on this machine (unset, `make` starts one)."
        )


def _hosts(database: dict[str, Any]) -> Iterator[str]:
    options = database.get("OPTIONS", {})
    service = options.get("service") or env.str("PGSERVICE", default="")
    if service:
        yield f"the service {service}"
    named = options.get("host") or database.get("HOST") or env.str("PGHOST", default="")
    addressed = options.get("hostaddr") or env.str("PGHOSTADDR", default="")
    for text in (named, addressed):
        yield from (host for host in str(text).split(",") if host)


def _is_local(host: str) -> bool:
    """Say whether a host is a socket, localhost or a loopback address."""
    if host.startswith(("/", "@")) or host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
