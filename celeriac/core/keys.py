"""What tokens and links are signed with: a key of their own, which can be rotated."""

from django.conf import settings


def signing_keys() -> tuple[str, ...]:
    """Return the key that signs, and those besides it that are still believed.

    Without a SIGNING_KEY it is SECRET_KEY with its own fallbacks, as it was before.
    """
    if settings.SIGNING_KEY:
        return (settings.SIGNING_KEY, *settings.SIGNING_KEY_FALLBACKS)
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, *settings.SIGNING_KEY_FALLBACKS)
