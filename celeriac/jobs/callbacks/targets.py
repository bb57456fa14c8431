"""Where a callback may go: a URL, judged by its text and the allow-list alone.

An entry of CALLBACK_ALLOWED_HOSTS is a host (`hooks.example.com`, https on port 443), a host
with a port (`hooks.example.com:8443`), either behind `http://` (plain HTTP, to be meant), or
a wildcard for the names below a domain (`*.example.com`). What a name resolves to is
judged when a connection is made: see addresses.py.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from zlib import crc32

from celeriac.jobs.errors import InvalidOption
from celeriac.settings import conf

PORTS = {"https": 443, "http": 80}
#: Circuits of one wildcard entry: its hosts share them, however many they are.
SHARED = 64
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
#: What a resolver may read as a number: `127.1`, `0x7f.1`, `2130706433`.
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


class CallbackRefused(InvalidOption):
    """The callback_url is not allowed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart: lower-case host, port, the path with its query, and its circuit."""

    scheme: str
    host: str
    port: int
    path: str
    circuit: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def checked_target(url: str) -> Target:
    """Return the target of an allowed URL; CallbackRefused says what is wrong and what to do."""
    scheme, host, port, path = _parts(url)
    entry = _entry(scheme, host, port)
    if entry is None:
        listed = "is not on" if conf.CALLBACK_ALLOWED_HOSTS else "can't be: nothing is on"
        raise CallbackRefused(
            f"callback_url: {scheme}://{_authority(host, port)} {listed} "
            "CALLBACK_ALLOWED_HOSTS. An operator may add it there."
        )
    if not conf.CALLBACK_SECRET:
        raise CallbackRefused(
            "callback_url: CALLBACK_SECRET is not set, so no callback could be signed."
        )
    return Target(scheme, host, port, path, _circuit(entry, scheme, host, port))


def split_entry(entry: str) -> tuple[str, str, int]:
    """Return an allow-list entry's scheme, host or wildcard, and port; ValueError for nonsense."""
    text = entry if "://" in entry else f"https://{entry}"
    parts = urlsplit(text.strip().lower())
    extra = (parts.path.strip("/"), parts.query, parts.fragment, parts.username, parts.password)
    if parts.scheme not in PORTS or any(extra) or not parts.hostname:
        raise ValueError(f"{entry!r} is no host")
    bare = parts.hostname.removeprefix("*.")
    if not _is_host(bare):
        raise ValueError(f"{entry!r} is no host")
    if bare != parts.hostname and "." not in bare:
        raise ValueError(f"{entry!r} covers a whole top-level domain")
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def _parts(url: str) -> tuple[str, str, int, str]:
    # urlsplit would drop tabs and newlines, and clients differ about backslashes.
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise CallbackRefused(
            "callback_url holds a space, a control character, a backslash or a letter that is "
            "not ASCII: percent-encode the path, and give the host in punycode."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CallbackRefused(f"callback_url is no URL: {error}.") from error
    host = (parts.hostname or "").lower()
    if parts.scheme not in PORTS or not host:
        raise CallbackRefused("callback_url must be an http or https URL with a host.")
    _refuse_oddities(url, parts, host, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, PORTS[parts.scheme] if port is None else port, path


def _refuse_oddities(url: str, parts: SplitResult, host: str, port: int | None) -> None:
    if "@" in parts.netloc:
        raise CallbackRefused("callback_url holds a user or a password: leave them out.")
    if "#" in url:
        raise CallbackRefused("callback_url has a fragment, which is never sent: leave it out.")
    if parts.netloc.endswith(":") or port == 0:
        raise CallbackRefused("callback_url has no port after its colon: name one or drop it.")
    if not _is_host(host):
        raise CallbackRefused(
            f"callback_url: {host!r} is no host name and no IP address in its plain form."
        )


def _is_host(host: str) -> bool:
    if _is_address(host):
        return True
    last = host.rpartition(".")[2]
    return _NAME.fullmatch(host) is not None and _NUMBER.fullmatch(last) is None


def _is_address(host: str) -> bool:
    """Whether it is an IP address as this library writes it, and so as nobody misreads it."""
    try:
        return str(ip_address(host)) == host and "%" not in host
    except ValueError:
        return False


def _entry(scheme: str, host: str, port: int) -> str | None:
    for entry in conf.CALLBACK_ALLOWED_HOSTS:
        try:
            allowed, name, number = split_entry(entry)
        except ValueError:
            continue  # the system check names it; here it allows nothing
        if (allowed, number) == (scheme, port) and _covers(name, host):
            return name
    return None


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.endswith(name[1:]) and not _is_address(host)
    return host == name


def _circuit(entry: str, scheme: str, host: str, port: int) -> str:
    """Name the host's circuit. A wildcard's hosts share SHARED of them: the number is bounded."""
    name = host if entry == host else f"{entry}/{crc32(host.encode()) % SHARED}"
    return f"callbacks:{name}" if port == PORTS[scheme] else f"callbacks:{name}:{port}"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
