"""One spelling for each address: the one that every row, list and look-up uses."""

import re
import unicodedata
from email.utils import parseaddr

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.notifications.errors import InvalidRecipients

#: As much as a column takes; longer ones are no addresses by RFC 5321 either.
LONGEST = 254
#: As much as stands before the @, by the same book.
LONGEST_LOCAL = 64
#: What needs no quotes.
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)


def normalise_address(address: str) -> str:
    """Return the bare address in lower case, its domain as DNS has it; raises InvalidRecipients.

    `"Anna" <Anna@MÜNCHEN.example.>` is `anna@xn--mnchen-3ya.example`. Local parts may mind their
    case by the book; no provider does, and one mail to each person counts for more.
    """
    text = unicodedata.normalize("NFC", address.strip())
    local, at, domain = _bare(text).rpartition("@")
    local = _unquoted(local)
    if not local.isascii() or len(local) > LONGEST_LOCAL:
        raise InvalidRecipients(
            f"{address!r} is no address: before its @ stand at most {LONGEST_LOCAL} letters of "
            "ASCII."
        )
    try:
        spelling = f"{local.lower()}{at}{_in_dns(domain)}"
        validate_email(spelling)
    except (ValidationError, idna.IDNAError) as error:
        raise InvalidRecipients(f"{address!r} is no address.") from error
    if len(spelling) > LONGEST:
        raise InvalidRecipients(
            f"{address!r} is longer than the {LONGEST} characters of a mailbox."
        )
    return spelling


def _bare(text: str) -> str:
    """Return what stands between the brackets, where there are any.

    Only of the last ones: an early Python 3.12 takes the first of several addresses.
    """
    bare = parseaddr(text)[1] if text.endswith(">") else ""
    return bare if bare and text.removesuffix(">").rstrip().endswith(bare) else text


def _unquoted(local: str) -> str:
    """Return a local part without quotes that mean nothing: `"anna"` is `anna`."""
    is_quoted = len(local) > 2 and local[0] == local[-1] == '"'
    return local[1:-1] if is_quoted and _ATOMS.fullmatch(local[1:-1]) else local


def _in_dns(domain: str) -> str:
    domain = domain.removesuffix(".").lower()
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
