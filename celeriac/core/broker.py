"""The address of a Redis or Valkey server, read by one function for all who connect to it.

It is written as Celery takes it, and comes out in the spelling of each client:

- `redis://user:password@host:6379/0`, `rediss://…?ssl_cert_reqs=required` (or `CERT_REQUIRED`),
- `redis+socket:///path/to/socket?virtual_host=0`,
- `sentinel://host:26379;sentinel://host:26379/0?master_name=mymaster` (or with `master_name` among
  Celery's transport options),
- the same as `valkey://`, `valkeys://` and `valkey+socket://`.

What else Celery takes is refused by name: see docs/decisions. A password may hold any character.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import redis
from django.conf import settings
from redis.sentinel import Sentinel

_SCHEMES = {
    "redis": "redis",
    "valkey": "redis",
    "rediss": "rediss",
    "valkeys": "rediss",
    "redis+socket": "socket",
    "valkey+socket": "socket",
    "unix": "socket",
    "sentinel": "sentinel",
}
_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "socket": 0}
_CERTIFICATES = ("required", "optional", "none")
_TLS = {f"ssl_{name}" for name in ("cert_reqs", "ca_certs", "ca_path", "certfile", "keyfile")}
_TLS |= {"ssl_check_hostname", "ssl_password"}
_OURS = {"db", "virtual_host", "master_name"}
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^\[\]:/@\s]*)(?::(?P<port>[0-9]*))?\Z")


class BadAddress(redis.RedisError, ValueError):
    """No address of a Redis or Valkey server that all clients can use."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server, or the sentinels that name it."""

    form: str  # redis, rediss, socket or sentinel
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    username: str | None = None
    password: str | None = None
    database: int = 0
    master: str | None = None
    tls: Mapping[str, Any] = field(default_factory=dict)

    @property
    def celery(self) -> str:
        """The URL as kombu reads it."""
        login = ""
        if self.username or self.password:
            login = f"{quote(self.username or '', safe='')}:{quote(self.password or '', safe='')}@"
        if self.form == "socket":
            place = quote(self.path, safe="/")
            return f"redis+socket://{login}{place}?virtual_host={self.database}"
        query = f"?{urlencode(self.tls)}" if self.tls else ""
        return ";".join(
            f"{self.form}://{login}{host}:{port}/{self.database}{query}"
            for host, port in self.hosts
        )

    def pool(self, **options: Any) -> redis.ConnectionPool:
        """Return a pool of redis-py connections, made with its `options`."""
        options = {
            "username": self.username,
            "password": self.password,
            "db": self.database,
            **self.tls,
            **options,
        }
        if self.form == "socket":
            kind = redis.UnixDomainSocketConnection
            for name in ("socket_connect_timeout", "socket_keepalive"):
                options.pop(name, None)
            return redis.ConnectionPool(connection_class=kind, path=self.path, **options)
        hosts = [(host.strip("[]"), port) for host, port in self.hosts]
        if self.form == "sentinel":
            return self._sentinels_pool(hosts, options)
        (host, port), *_ = hosts
        if self.form == "rediss":
            options["connection_class"] = redis.SSLConnection
        return redis.ConnectionPool(host=host, port=port, **options)

    def _sentinels_pool(self, hosts: list[Any], options: dict[str, Any]) -> redis.ConnectionPool:
        known = _transport_options()
        master = self.master or known.get("master_name")
        if not master:
            raise BadAddress(
                "A sentinel:// address needs the name of the master: add ?master_name=mymaster."
            )
        if self.tls:
            options["ssl"] = True
        make: Any = Sentinel  # bears no types
        sentinels = make(
            hosts,
            min_other_sentinels=known.get("min_other_sentinels", 0),
            sentinel_kwargs=known.get("sentinel_kwargs"),
            **options,
        )
        pool: redis.ConnectionPool = sentinels.master_for(master).connection_pool
        return pool


class Pool:
    """What Django's cache takes for a pool's class: it reads the address as everybody does."""

    @staticmethod
    def from_url(url: str, **options: Any) -> redis.ConnectionPool:
        """Return a pool for the address."""
        return read_address(url).pool(**options)


def broker_client(url: str, **options: Any) -> redis.Redis:
    """Return a client for the address, which is not connected yet; BadAddress where it is none."""
    return redis.Redis.from_pool(read_address(url).pool(**options))


def read_address(url: str) -> Address:
    """Read an address; raise BadAddress, which never shows a password."""
    text = str(url).strip()
    scheme, separator, rest = text.partition("://")
    form = _SCHEMES.get(scheme.lower())
    if not separator or form is None:
        raise BadAddress(
            f"{scheme[:30]!r} is no scheme of a broker that can be used: write redis://, "
            "rediss://, redis+socket://, sentinel://, valkey:// or valkeys://."
        )
    rest, _, query = rest.partition("?") if "@" not in rest.partition("?")[2] else _last_query(rest)
    options = dict(parse_qsl(query, keep_blank_values=True))
    _check_options(options, form)
    entries = [_entry(each, form) for each in rest.split(";")] if form == "sentinel" else []
    if form != "sentinel" and re.search(r";[a-z+]+://|;[^@]*\Z", rest) and form != "socket":
        raise BadAddress(
            "Several hosts, separated by ;, are refused: senders and workers could settle on "
            "different ones, and doorbells would go where nobody listens. Use sentinel://, or one "
            "address that follows the primary."
        )
    entries = entries or [_entry(rest, form)]
    return _address(form, entries, options)


def celery_url(url: str) -> str:
    """Return the address as kombu reads it, or as it is where `check` will refuse it."""
    try:
        return read_address(url).celery
    except BadAddress:
        return url


def celery_options(url: str) -> dict[str, Any]:
    """Return what of the address goes into Celery's transport options."""
    try:
        master = read_address(url).master
    except BadAddress:
        master = None
    return {"master_name": master} if master else {}


def _last_query(rest: str) -> tuple[str, str, str]:
    """Split where the password holds a question mark."""
    login, _, place = rest.rpartition("@")
    place, mark, query = place.partition("?")
    return f"{login}@{place}", mark, query


def _entry(text: str, form: str) -> dict[str, Any]:
    """Return login, host, port and path of one address without its query."""
    scheme, separator, rest = text.partition("://")
    text = rest if separator and scheme.lower() in _SCHEMES else text
    login, at, place = text.rpartition("@")
    username, _, password = login.partition(":")
    found = {"username": unquote(username) or None, "password": unquote(password) or None}
    if form == "socket":
        return {**found, "path": unquote(place)}
    name, _, path = place.partition("/")
    match = _HOST.match(name)
    if match is None:
        raise BadAddress(f"No host and port can be read after the {'@' if at else '://'}.")
    host, port = unquote(match["host"]) or "127.0.0.1", int(match["port"] or _PORTS[form])
    try:
        host.strip("[]").encode("idna" if ":" not in host else "ascii")
    except UnicodeError:
        raise BadAddress("The host's name is too long, or holds what no name may.") from None
    if not 0 < port < 65536:
        raise BadAddress(f"{port} is no port.")
    return {**found, "host": (host, port), "path": unquote(path)}


def _check_options(options: dict[str, str], form: str) -> None:
    unknown = sorted(options.keys() - _TLS - _OURS)
    if unknown:
        raise BadAddress(
            f"The option {unknown[0][:40]!r} is not for the address: timeouts and the like go into "
            "CELERY_BROKER_TRANSPORT_OPTIONS or the cache's OPTIONS."
        )
    if form in ("redis", "socket") and _TLS & options.keys():
        raise BadAddress("ssl_ options need rediss:// (or valkeys://).")
    if "master_name" in options and form != "sentinel":
        raise BadAddress("master_name needs sentinel://.")


def _address(form: str, entries: list[dict[str, Any]], options: dict[str, str]) -> Address:
    username = next((each["username"] for each in entries if each["username"]), None)
    password = next((each["password"] for each in entries if each["password"]), None)
    paths = [each["path"].strip("/") for each in entries if each["path"].strip("/")]
    if form == "socket":
        if not paths:
            raise BadAddress("A socket needs its path: redis+socket:///path/to/socket.")
        number = options.get("virtual_host", options.get("db", "0"))
        database, path = number.strip("/") or "0", entries[0]["path"]
    else:
        number = paths[0] if paths else options.get("db", options.get("virtual_host", "0"))
        database, path = number.strip("/") or "0", ""
    if not re.fullmatch("[0-9]{1,6}", database):
        raise BadAddress(f"The database is a number such as 0, not {database[:40]!r}.")
    return Address(
        form=form,
        hosts=tuple(each["host"] for each in entries if "host" in each),
        path=path,
        username=username,
        password=password,
        database=int(database),
        master=options.get("master_name"),
        tls=_tls(form, options),
    )


def _tls(form: str, options: dict[str, str]) -> dict[str, Any]:
    """Return the TLS options in words that kombu and redis-py know, safe where nothing is said."""
    found: dict[str, Any] = {name: options[name] for name in sorted(_TLS & options.keys())}
    if form != "rediss" and not found:
        return {}
    word = found.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if word not in _CERTIFICATES:
        raise BadAddress(f"ssl_cert_reqs is one of {', '.join(_CERTIFICATES)}, not {word[:40]!r}.")
    found["ssl_cert_reqs"] = word
    if "ssl_check_hostname" in found:
        told = found["ssl_check_hostname"].lower()
        found["ssl_check_hostname"] = told not in ("false", "0", "no")
    return found


def key_prefix() -> str:
    """Return what Celery puts before each key, where projects share a database of the broker."""
    return str(_transport_options().get("global_keyprefix") or "")


def _transport_options() -> Mapping[str, Any]:
    options: Mapping[str, Any] = getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {})
    return options
