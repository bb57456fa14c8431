"""One spelling for each address."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.notifications.errors import InvalidRecipients


def normalise(address: str) -> str:
    """Return the address trimmed and in lower case; raises InvalidRecipients.

    Local parts may mind their case by the book; no provider does, and one mail to each person
    counts for more.
    """
    text = unicodedata.normalize("NFC", address.strip()).lower()
    try:
        validate_email(text)
    except ValidationError as error:
        raise InvalidRecipients(f"{address!r} is no address.") from error
    return text
