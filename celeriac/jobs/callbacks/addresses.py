"""Which addresses a callback may reach, once its host's name is resolved.

Public unicast addresses, and those in CALLBACK_ALLOWED_NETWORKS. Never link-local ones,
where clouds keep their metadata, whatever the list says.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from celeriac.core.errors import CeleriacError
from celeriac.settings import conf

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], list[str]]

#: Link-local, where metadata services answer, and those that answer elsewhere.
_METADATA = (
    "169.254.0.0/16",
    "fe80::/10",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
)
NEVER: list[Network] = [ip_network(text) for text in _METADATA]
#: Nothing else in IPv6 is public unicast; of this, tunnels (Teredo, 6to4) carry IPv4 inside.
_UNICAST = ip_network("2000::/3")
_TUNNELS: list[Network] = [ip_network(text) for text in ("2001::/32", "2002::/16")]
#: The relays of 6to4, and what IETF's protocols use: Python before 3.12.4 takes some for public.
_PROTOCOLS: list[Network] = [ip_network(text) for text in ("192.88.99.0/24", "192.0.0.0/24")]


class AddressRefused(CeleriacError):
    """The host resolves to an address that callbacks may not reach; nothing was sent."""


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of `host`; OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def allowed_addresses(host: str, port: int, *, resolver: Resolver) -> list[str]:
    """Return the addresses of `host`, every one of them allowed; raises AddressRefused.

    One that is not spoils all: a name that resolves to inside and outside is a trick or a
    mistake.
    """
    found = resolver(host, port)
    for text in found:
        if not may_reach(text):
            raise AddressRefused(
                f"{host} resolves to {text}, which callbacks may not reach; nothing was sent. "
                "If it is meant, name its network in CALLBACK_ALLOWED_NETWORKS."
            )
    if not found:
        raise AddressRefused(f"{host} resolves to no address; nothing was sent.")
    return found


def may_reach(text: str) -> bool:
    """Say whether a callback may go to this address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if _in(address, NEVER):
        return False
    return _in(address, allowed_networks()) or _is_public(address)


def allowed_networks() -> list[Network]:
    """Return CALLBACK_ALLOWED_NETWORKS; ValueError for one that is none."""
    return [ip_network(text) for text in conf.CALLBACK_ALLOWED_NETWORKS]


def _in(address: Address, ranges: list[Network]) -> bool:
    return any(address in each for each in ranges)


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return not _in(address, _PROTOCOLS)
    return address in _UNICAST and not _in(address, _TUNNELS)
