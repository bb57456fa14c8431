"""What Django hands its messages to: each becomes a row and a job, in the caller's transaction."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import Error

from celeriac.core.errors import CeleriacError


class EmailBackend(BaseEmailBackend):
    """Writes messages for later; options of a connection (`auth_user=`, …) are kept with them.

    A message that bears the header `X-Celeriac-At-Most-Once` is not sent again where nobody knows
    whether it left.
    """

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        if not apps.is_installed("celeriac.mail"):
            raise ImproperlyConfigured(
                "EMAIL_BACKEND is celeriac.mail.EmailBackend: "
                'add "celeriac.mail" to INSTALLED_APPS.'
            )
        self._options = {name: each for name, each in options.items() if each is not None}

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the messages that have a recipient; return how many.

        Raises:
            ValueError: a header has a line break, or a message holds what can't be kept.
            JobError: the ledger refuses the job. With `fail_silently` each is swallowed, and
                what the database refuses, too.
        """
        from celeriac.mail.enqueue import enqueue_messages  # models, which are not loaded at import

        addressed = [message for message in email_messages if message.recipients()]
        if not addressed:
            return 0
        try:
            return enqueue_messages(
                addressed, options=self._options, fail_silently=self.fail_silently
            )
        except (ValueError, CeleriacError, Error):
            if not self.fail_silently:
                raise
            return 0
