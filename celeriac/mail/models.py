"""Messages as rows: what Django's EmailMessage holds, until its job is pruned."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from celeriac.core.clock import Now
from celeriac.core.ids import uuid7


def _texts(**options: Any) -> Any:
    return ArrayField(models.TextField(), default=list, blank=True, **options)


class MailState(models.TextChoices):
    """What is known of a message."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


#: Nothing more is sent then.
SETTLED = (MailState.ACCEPTED, MailState.REFUSED)


class Message(models.Model):
    """One e-mail and what became of it; it is deleted with its job.

    `sends` counts how often the mail server was called, `resends` those of them that may have made
    a second copy.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.TextField(blank=True)
    from_email = models.TextField()
    to = _texts()
    cc = _texts()
    bcc = _texts()
    reply_to = _texts()
    headers = models.JSONField(default=dict, blank=True)
    body = models.TextField(blank=True)
    #: Of the body; and of the text of all parts, where the message says so.
    content_subtype = models.CharField(max_length=64, default="plain")
    encoding = models.CharField(max_length=32, blank=True)
    #: Pairs of content and type.
    alternatives = models.JSONField(default=list, blank=True)
    #: Of each attachment its name, type and form; `contents` has their bytes in the same order.
    attachments = models.JSONField(default=list, blank=True)
    contents = ArrayField(models.BinaryField(), default=list, blank=True)
    #: What other backends read from a message, such as anymail's tags.
    extra = models.JSONField(default=dict, blank=True)
    #: Options of the connection that the message was given; emptied once it is settled.
    options = models.JSONField(default=dict, blank=True)
    fail_silently = models.BooleanField(default=False)
    at_most_once = models.BooleanField(default=False)
    message_id = models.CharField(max_length=998)
    state = models.CharField(
        max_length=16, default=MailState.QUEUED, choices=MailState.choices, db_index=False
    )
    sends = models.PositiveIntegerField(default=0)
    resends = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    accepted_at = models.DateTimeField(null=True, blank=True)
    #: The database deletes a message with its job (see the migration).
    job = models.OneToOneField(
        "celeriac_jobs.Job", on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="celeriac_mail_state_known", condition=Q(state__in=MailState.values)
            ),
            models.CheckConstraint(
                name="celeriac_mail_accepted_at_with_its_state",
                condition=Q(state=MailState.ACCEPTED, accepted_at__isnull=False)
                | (~Q(state=MailState.ACCEPTED) & Q(accepted_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="celeriac_mail_at_most_once_never_resent",
                condition=Q(at_most_once=False) | Q(resends=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject[:60]} to {', '.join(self.to)[:120]}"

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.state in SETTLED
