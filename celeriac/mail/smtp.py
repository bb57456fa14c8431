"""SMTP that knows whether a message may have left.

A connection that breaks before DATA took nothing. One that breaks after it may have taken the
message: SMTP has no way to ask.
"""

import smtplib
from typing import Any

from django.core.mail.backends import smtp


class LostAfterData(smtplib.SMTPServerDisconnected):
    """The connection broke between DATA and its reply."""


class _Client(smtplib.SMTP):
    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the message; raises LostAfterData where no reply came."""
        try:
            return super().data(msg)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            if isinstance(error, smtplib.SMTPResponseException):
                raise
            raise LostAfterData(str(error)) from error


class _ClientWithTls(_Client, smtplib.SMTP_SSL):
    pass


class SmtpBackend(smtp.EmailBackend):
    """Django's SMTP backend, with LostAfterData, and deaf to errors of the goodbye."""

    @property
    def connection_class(self) -> Any:
        """The client to connect with."""
        return _ClientWithTls if self.use_ssl else _Client

    def _close_connection(self, connection: smtplib.SMTP) -> None:
        try:
            super()._close_connection(connection)  # type: ignore[misc]  # stubs lag behind Django
        except (smtplib.SMTPException, OSError):
            # The message is settled by now; a bad goodbye must not make it look unknown.
            connection.close()
