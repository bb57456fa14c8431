"""What can go wrong with mail."""

from celeriac import CeleriacError


class NotificationError(CeleriacError):
    """A message was refused."""


class EmailNotFound(NotificationError):
    """There is no such email."""


class UnknownTemplate(NotificationError):
    """A template needs three files: subject, text and HTML."""


class WrongState(NotificationError):
    """The email's state forbids it."""


class MailFault(NotificationError):
    """The mail server failed."""

    retry_after: float | None = None


class MailNotSent(MailFault):
    """The message did not leave; sending it again is safe."""


class MailRefused(MailFault):
    """The mail server refused the message for now."""


class MailOutcomeUnknown(MailFault):
    """The message left and no answer came: it may have been taken."""


class InvalidRecipients(NotificationError):
    """Some addresses are none."""


class CampaignNotFound(NotificationError):
    """There is no such campaign."""


class CampaignBusy(NotificationError):
    """The campaign's state forbids it."""


class NotConfigured(NotificationError):
    """A setting is missing."""


class InvalidToken(NotificationError):
    """The link is damaged, or not ours."""
