"""A row as a message."""

from collections.abc import Mapping
from email.message import EmailMessage as MimeMessage
from email.policy import default
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from apps.notifications import unsubscribe
from apps.notifications.errors import UnknownTemplate
from apps.notifications.models import Campaign, Email, Recipient
from apps.notifications.states import MessageClass

PARTS = ("subject.txt", "txt", "html")
#: RFC 5322, section 2.1.1.
LONGEST_LINE = 998


class UnfoldedMessage(EmailMultiAlternatives):
    """A message whose header lines are left whole.

    Folded at 78 characters a long link becomes an encoded word, which no mail program
    recognises as one.
    """

    def message(self, *, policy: Any = default) -> MimeMessage:
        whole = policy.clone(max_line_length=LONGEST_LINE)
        return super().message(policy=whole)


def require_template(name: str) -> None:
    """Raise UnknownTemplate unless all three parts of the template exist."""
    try:
        for part in PARTS:
            get_template(f"{name}.{part}")
    except TemplateDoesNotExist as error:
        raise UnknownTemplate(f"There is no template {error}.") from error


def render_email(email: Email) -> EmailMultiAlternatives:
    """Return the message, the same at every try: text, HTML, and its own Message-ID.

    Bulk mail says how to leave; raises NotConfigured where it can't.
    """
    context, headers = email.context, {"Message-ID": email.message_id}
    headers["X-Reference"] = email.reference
    if email.message_class == MessageClass.BULK:
        headers |= unsubscribe.headers_for(email.recipient)
        context = {**context, "unsubscribe_url": unsubscribe.url_for(email.recipient)}
    return _message(email.template, context, email.recipient, headers)


def render_recipient(campaign: Campaign, recipient: Recipient) -> EmailMultiAlternatives:
    """Return a campaign's message to one recipient, with the way to leave; raises NotConfigured."""
    address = recipient.address
    context = {
        **campaign.context,
        **recipient.context,
        "unsubscribe_url": unsubscribe.url_for(address),
    }
    headers = {
        "Message-ID": recipient.message_id,
        "X-Reference": f"campaign:{campaign.id}",
        **unsubscribe.headers_for(address),
    }
    return _message(campaign.template, context, address, headers)


def _message(
    template: str, context: Mapping[str, Any], to: str, headers: dict[str, str]
) -> EmailMultiAlternatives:
    subject, text, html = (
        get_template(f"{template}.{part}").render(dict(context)) for part in PARTS
    )
    message = UnfoldedMessage(
        subject=" ".join(subject.split()),
        body=text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[to],
        headers=headers,
    )
    message.attach_alternative(html, "text/html")
    return message
