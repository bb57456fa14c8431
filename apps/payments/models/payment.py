"""A payment: money that a customer owes once."""

from django.db import models
from django.db.models import F, Q

from apps.payments.money import display_amount as money
from apps.payments.states import FINAL, OPEN, State
from celeriac import Now, uuid7


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Payments by where they stand."""

    def open(self) -> "PaymentQuerySet":
        """Return the payments that the provider may know of, without an answer."""
        return self.filter(state__in=OPEN)


class Payment(models.Model):
    """An amount to be captured at a provider, and what of it went back.

    Amounts are in the currency's minor unit. `state` is that of the capture.
    `refunding_amount` is reserved by refunds without a final answer.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=32, default="stripe")
    reference = models.CharField(max_length=128, unique=True)
    amount = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=16, default=State.PENDING, choices=State.choices)
    captured_amount = models.PositiveBigIntegerField(default=0)
    refunding_amount = models.PositiveBigIntegerField(default=0)
    refunded_amount = models.PositiveBigIntegerField(default=0)
    provider_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("refund_payment", "Can refund payments"),
            ("cancel_payment", "Can cancel payments"),
        ]
        constraints = [
            models.CheckConstraint(name="payment_state_known", condition=Q(state__in=State.values)),
            models.CheckConstraint(name="payment_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="payment_currency_is_iso_4217", condition=Q(currency__regex=r"^[a-z]{3}$")
            ),
            models.CheckConstraint(
                name="payment_captures_at_most_its_amount",
                condition=Q(captured_amount__lte=F("amount")),
            ),
            models.CheckConstraint(
                name="payment_captured_exactly_when_succeeded",
                condition=Q(state=State.SUCCEEDED, captured_amount__gt=0)
                | (~Q(state=State.SUCCEEDED) & Q(captured_amount=0)),
            ),
            models.CheckConstraint(
                name="payment_refunds_at_most_what_was_captured",
                condition=Q(captured_amount__gte=F("refunded_amount") + F("refunding_amount")),
            ),
            models.CheckConstraint(
                name="payment_finished_at_exactly_when_final",
                condition=Q(state__in=sorted(FINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(FINAL)) & Q(finished_at__isnull=True)),
            ),
            models.UniqueConstraint(
                name="payment_provider_id_once",
                fields=["provider", "provider_id"],
                condition=~Q(provider_id=""),
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="payment_created"),
            models.Index("created_at", name="payment_open", condition=Q(state__in=sorted(OPEN))),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {money(self.amount, self.currency)}"

    @property
    def refundable_amount(self) -> int:
        """What may still be given back, in minor units."""
        return self.captured_amount - self.refunded_amount - self.refunding_amount
