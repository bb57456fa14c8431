"""Emails as rows."""

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.notifications.states import FINAL, MessageClass, State
from celeriac import Now, uuid7


class Email(models.Model):
    """One message to one address. What it says is its template and `context`.

    `reference` names what it is about: one message a template and reference. `sends` counts
    how often the mail server was called, `resends_after_unknown` those of them that may have
    made a second copy.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    recipient = models.EmailField()
    template = models.CharField(max_length=100)
    reference = models.CharField(max_length=128, blank=True)
    context = models.JSONField(default=dict, blank=True)
    message_class = models.CharField(
        max_length=16, default=MessageClass.TRANSACTIONAL, choices=MessageClass.choices
    )
    state = models.CharField(max_length=16, default=State.QUEUED, choices=State.choices)
    message_id = models.CharField(max_length=255, unique=True)
    provider_id = models.CharField(max_length=255, blank=True)
    sends = models.PositiveIntegerField(default=0)
    resends_after_unknown = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sending_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("resend_email", "Can send emails again")]
        constraints = [
            models.CheckConstraint(name="email_state_known", condition=Q(state__in=State.values)),
            models.CheckConstraint(
                name="email_class_known", condition=Q(message_class__in=MessageClass.values)
            ),
            models.CheckConstraint(
                name="email_finished_at_exactly_when_final",
                condition=Q(state__in=sorted(FINAL), finished_at__isnull=False)
                | Q(state=State.UNKNOWN)
                | Q(state__in=[State.QUEUED, State.SENDING], finished_at__isnull=True),
            ),
            models.CheckConstraint(
                name="email_sending_at_before_any_answer",
                condition=Q(state__in=[State.QUEUED, State.SUPPRESSED, State.FAILED])
                | Q(sending_at__isnull=False, sends__gt=0),
            ),
            models.CheckConstraint(
                name="email_bulk_never_resent",
                condition=Q(message_class=MessageClass.TRANSACTIONAL) | Q(resends_after_unknown=0),
            ),
            models.UniqueConstraint(
                name="email_once_a_template_and_reference",
                fields=["template", "reference"],
                condition=~Q(reference=""),
            ),
        ]
        indexes = [
            models.Index(
                OpClass(Lower("recipient"), "text_pattern_ops"), name="email_recipient_begins"
            ),
            models.Index(fields=["state", "-created_at"], name="email_state"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.recipient}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to be sent."""
        bulk = self.message_class == MessageClass.BULK
        return self.state in FINAL or (bulk and self.state == State.UNKNOWN)
