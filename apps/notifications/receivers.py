"""The mail provider's webhooks, checked and normalised by anymail, feed the suppression list."""

from typing import Any

from anymail.signals import tracking
from django.dispatch import receiver

from apps.notifications import services


# Anymail's views tell what they verified in no other way.
@receiver(tracking, dispatch_uid="notifications.events")
def note_mail_event(event: Any, esp_name: str, **_: Any) -> None:
    """Suppress who bounced, complained or left; an error becomes a 500, and it comes again."""
    services.event_receive(event=event, provider=esp_name)
