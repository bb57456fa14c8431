"""The link by which anybody leaves with one click (RFC 8058): it needs no login, it is signed."""

from django.conf import settings
from django.core import signing
from django.urls import reverse

from apps.notifications.errors import InvalidToken, NotConfigured
from celeriac import signing_keys

SALT = "celeriac.unsubscribe"


def token_for(address: str) -> str:
    """Return the token that takes this address off bulk mail, whenever it is used."""
    return _signer().sign_object(address)


def address_of(token: str) -> str:
    """Return the address that a token stands for; raises InvalidToken."""
    try:
        return str(_signer().unsign_object(token))
    except signing.BadSignature as error:
        raise InvalidToken from error


def require_public_url() -> str:
    """Return where the world reaches this site, without a slash; raises NotConfigured."""
    url = str(settings.PUBLIC_URL).rstrip("/")
    if not url:
        raise NotConfigured("Set PUBLIC_URL: bulk mail must say where to unsubscribe.")
    return url


def url_for(address: str) -> str:
    """Return the address's own link; raises NotConfigured."""
    return require_public_url() + reverse("notifications:unsubscribe", args=[token_for(address)])


def headers_for(address: str) -> dict[str, str]:
    """Return the headers that mail programs make a button of; raises NotConfigured."""
    return {
        "List-Unsubscribe": f"<{url_for(address)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _signer() -> signing.TimestampSigner:
    keys: list[bytes | str] = [*signing_keys()]
    return signing.TimestampSigner(key=keys[0], fallback_keys=keys[1:], salt=SALT)
