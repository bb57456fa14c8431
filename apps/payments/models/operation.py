"""An operation: one thing asked of the provider, under one idempotency key."""

from django.db import models
from django.db.models import Q

from apps.payments.models.payment import Payment
from apps.payments.states import FINAL, OPEN, OperationKind, State
from celeriac import Now, uuid7


class OperationQuerySet(models.QuerySet["Operation"]):
    """Operations by where they stand."""

    def open(self) -> "OperationQuerySet":
        """Return the operations that the provider may know of, without an answer."""
        return self.filter(state__in=OPEN)

    def for_review(self) -> "OperationQuerySet":
        """Return the operations that wait for a human."""
        return self.filter(review_at__isnull=False).exclude(state__in=FINAL)


class Operation(models.Model):
    """A capture, refund or cancel. The key and the parameters never change once committed.

    `attempts` counts calls under the key, `lookups` how often the provider was asked for the
    result instead. `key_spent` says that the provider saved a failure under the key. An
    operation with `review_at` waits for a human.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=16, choices=OperationKind.choices)
    amount = models.PositiveBigIntegerField()
    state = models.CharField(max_length=16, default=State.PENDING, choices=State.choices)
    idempotency_key = models.CharField(max_length=255, unique=True)
    params = models.JSONField()
    params_hash = models.CharField(max_length=64)
    provider_id = models.CharField(max_length=255, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lookups = models.PositiveIntegerField(default=0)
    key_spent = models.BooleanField(default=False)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    review_at = models.DateTimeField(null=True, blank=True)
    review_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    submitted_at = models.DateTimeField(null=True, blank=True)
    called_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="operations")

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("decide_operation", "Can decide operations whose outcome is unknown")]
        constraints = [
            models.CheckConstraint(
                name="operation_state_known", condition=Q(state__in=State.values)
            ),
            models.CheckConstraint(
                name="operation_kind_known", condition=Q(kind__in=OperationKind.values)
            ),
            models.CheckConstraint(name="operation_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="operation_has_key_and_hash",
                condition=~Q(idempotency_key="") & ~Q(params_hash=""),
            ),
            models.CheckConstraint(
                name="operation_submitted_at_before_any_answer",
                condition=Q(state=State.PENDING, submitted_at__isnull=True)
                | Q(state=State.CANCELLED)
                | (~Q(state=State.PENDING) & Q(submitted_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="operation_finished_at_exactly_when_final",
                condition=Q(state__in=sorted(FINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(FINAL)) & Q(finished_at__isnull=True)),
            ),
            models.UniqueConstraint(
                name="operation_one_capture_a_payment",
                fields=["payment"],
                condition=Q(kind=OperationKind.CAPTURE),
            ),
            models.UniqueConstraint(
                name="operation_one_open_cancel_a_payment",
                fields=["payment"],
                condition=Q(kind=OperationKind.CANCEL) & ~Q(state__in=sorted(FINAL)),
            ),
        ]
        indexes = [
            models.Index("provider_id", name="operation_provider_id", condition=~Q(provider_id="")),
            models.Index("called_at", name="operation_open", condition=Q(state__in=sorted(OPEN))),
            models.Index(
                "review_at",
                name="operation_review",
                condition=Q(review_at__isnull=False) & ~Q(state__in=sorted(FINAL)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_final(self) -> bool:
        """Whether the provider's answer, or a human's, is known."""
        return self.state in FINAL

    @property
    def waits_for_a_human(self) -> bool:
        """Whether its resolution has ended without an answer."""
        return self.review_at is not None and not self.is_final
