"""Where a request comes from: what the connection says, or our own proxies; nobody else."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from celeriac.settings import conf

#: Whoever has one address of IPv6 has so many of them that only its network counts.
_NETWORK = 64


def address_of(request: HttpRequest) -> str | None:
    """Return the client's address, of IPv6 its network's; None where the connection has none.

    `X-Forwarded-For` is believed as far as PROXIES says that proxies of ours wrote it: its
    last so many entries. What a client wrote stands before them.
    """
    known = conf.PROXIES
    written = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if known else []
    given = [*written[-known:], request.META.get("REMOTE_ADDR", "")] if known else []
    for text in given or [request.META.get("REMOTE_ADDR", "")]:
        if (address := _read(text)) is not None:
            return _counted(address)
    return None


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address without its port, brackets and zone."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return ip_address(bare.partition("%")[0])
    except ValueError:
        return None


def _counted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _NETWORK), strict=False).network_address)
