"""An email's row as a message."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

from apps.notifications.errors import UnknownTemplate
from apps.notifications.models import Email

PARTS = ("subject.txt", "txt", "html")


def require_template(name: str) -> None:
    """Raise UnknownTemplate unless all three parts of the template exist."""
    try:
        for part in PARTS:
            get_template(f"{name}.{part}")
    except TemplateDoesNotExist as error:
        raise UnknownTemplate(f"There is no template {error}.") from error


def render(email: Email) -> EmailMultiAlternatives:
    """Return the message, the same at every try: text, HTML, and its own Message-ID."""
    subject, text, html = (
        get_template(f"{email.template}.{part}").render(dict(email.context)) for part in PARTS
    )
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[email.recipient],
        headers={"Message-ID": email.message_id, "X-Reference": email.reference},
    )
    message.attach_alternative(html, "text/html")
    return message
