"""System checks of durable mail."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from celeriac.mail.backend import EmailBackend
from celeriac.settings import conf


def check_backend(**_: Any) -> list[CheckMessage]:
    """Report a backend that can't be imported, or that would write messages for ever."""
    try:
        backend = import_string(conf.MAIL_BACKEND)
    except ImportError as error:
        return [Error(f"MAIL_BACKEND: {error}", id="celeriac_mail.E001")]
    if isinstance(backend, type) and issubclass(backend, EmailBackend):
        return [
            Error(
                "MAIL_BACKEND is celeriac.mail.EmailBackend itself: each message would be written "
                "again by its own job.",
                hint="Name the backend that sends, such as "
                "django.core.mail.backends.smtp.EmailBackend.",
                id="celeriac_mail.E002",
            )
        ]
    return []
