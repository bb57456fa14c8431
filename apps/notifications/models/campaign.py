"""Bulk mail: one text to many, and what became of each of them."""

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.notifications.states import CampaignState, Delivery
from celeriac import Now, uuid7


class Campaign(models.Model):
    """One message to many addresses, at most once to each, sent by one job.

    `rate` is how many messages a second the mail provider admits; `next_at` is when the next
    one may leave. `run` names the run that may send now: a run that finds another name there
    has been taken for lost and stops.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    template = models.CharField(max_length=100)
    context = models.JSONField(default=dict, blank=True)
    rate = models.FloatField(
        default=10.0, validators=[MinValueValidator(0.01)], help_text="Messages a second."
    )
    total = models.PositiveIntegerField(default=0)
    state = models.CharField(
        max_length=16, default=CampaignState.DRAFT, choices=CampaignState.choices
    )
    job = models.UUIDField(null=True, blank=True)
    run = models.UUIDField(null=True, blank=True, editable=False)
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="campaigns",
    )

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("start_campaign", "Can start campaigns"),
            ("cancel_campaign", "Can cancel campaigns"),
        ]
        constraints = [
            models.CheckConstraint(
                name="campaign_state_known", condition=Q(state__in=CampaignState.values)
            ),
            models.CheckConstraint(name="campaign_rate_positive", condition=Q(rate__gt=0)),
            models.CheckConstraint(
                name="campaign_finished_at_exactly_when_finished",
                condition=Q(state=CampaignState.FINISHED, finished_at__isnull=False)
                | (~Q(state=CampaignState.FINISHED) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="campaign_job_once_started",
                condition=Q(state=CampaignState.DRAFT)
                | Q(job__isnull=False, started_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Recipient(models.Model):
    """One address of a campaign. `sends` counts the calls that were begun for it.

    `due_at` is when a pending one may be tried; `run` is the run that marked it `sending`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    address = models.EmailField()
    context = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, default=Delivery.PENDING, choices=Delivery.choices)
    sends = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(default=0)
    run = models.UUIDField(null=True, blank=True, editable=False)
    provider_id = models.CharField(max_length=255, blank=True)
    error = models.CharField(max_length=500, blank=True)
    due_at = models.DateTimeField(db_default=Now())
    sending_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="recipients")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="recipient_once_a_campaign", fields=["campaign", "address"]
            ),
            models.CheckConstraint(
                name="recipient_state_known", condition=Q(state__in=Delivery.values)
            ),
            models.CheckConstraint(
                name="recipient_sending_at_before_any_answer",
                condition=Q(state__in=[Delivery.PENDING, Delivery.SUPPRESSED])
                | Q(sending_at__isnull=False, sends__gt=0, run__isnull=False),
            ),
            models.CheckConstraint(
                name="recipient_finished_at_exactly_when_final",
                condition=Q(state__in=[Delivery.PENDING, Delivery.SENDING], finished_at=None)
                | (
                    ~Q(state__in=[Delivery.PENDING, Delivery.SENDING])
                    & Q(finished_at__isnull=False)
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "state", "due_at", "id"], name="recipient_next"),
            models.Index(
                OpClass(Lower("address"), "text_pattern_ops"), name="recipient_address_begins"
            ),
            models.Index("provider_id", name="recipient_provider_id", condition=~Q(provider_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.state})"

    @property
    def message_id(self) -> str:
        """The one Message-ID that this message ever has."""
        return f"<{self.id}@{settings.EMAIL_MESSAGE_ID_DOMAIN}>"
