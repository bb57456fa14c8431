"""What tokens and links are signed with: a key of their own, which can be rotated."""

from django.conf import settings

from celeriac.settings import conf


def signing_keys() -> tuple[str, ...]:
    """Return the key that signs, and those besides it that are still believed.

    Without a SIGNING_KEY it is SECRET_KEY with its own fallbacks, as it was before.
    """
    if conf.SIGNING_KEY:
        return (conf.SIGNING_KEY, *conf.SIGNING_KEY_FALLBACKS)
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, *conf.SIGNING_KEY_FALLBACKS)
