"""Orders and what was ordered."""

from functools import reduce
from operator import or_

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from apps.orders.states import State
from apps.payments.models import Payment
from celeriac import Now, uuid7

#: The moment that an order of each further state has, and no other order.
MOMENTS = {State.PAID: "paid_at", State.DECLINED: "declined_at", State.CANCELLED: "cancelled_at"}


def _with_its_moment(state: State) -> Q:
    return Q(state=state, **{f"{at}__isnull": mine is not state for mine, at in MOMENTS.items()})


class OrderQuerySet(models.QuerySet["Order"]):
    """Orders by where they stand."""

    def placed(self) -> "OrderQuerySet":
        """Return the orders that wait for their payment."""
        return self.filter(state=State.PLACED)

    def paid(self) -> "OrderQuerySet":
        """Return the orders that are paid."""
        return self.filter(state=State.PAID)


class Order(models.Model):
    """What a customer buys. Amounts are in the currency's minor unit."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField()
    currency = models.CharField(max_length=3)
    total_amount = models.PositiveBigIntegerField()
    refunded_amount = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=16, default=State.PLACED, choices=State.choices)
    placed_at = models.DateTimeField(db_default=Now())
    paid_at = models.DateTimeField(null=True, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="order")

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("cancel_order", "Can cancel orders")]
        constraints = [
            models.CheckConstraint(name="order_state_known", condition=Q(state__in=State.values)),
            models.CheckConstraint(name="order_total_positive", condition=Q(total_amount__gt=0)),
            models.CheckConstraint(
                name="order_currency_is_iso_4217", condition=Q(currency__regex=r"^[a-z]{3}$")
            ),
            models.CheckConstraint(
                name="order_refunds_at_most_its_total",
                condition=Q(refunded_amount__lte=F("total_amount")),
            ),
            models.CheckConstraint(
                name="order_time_of_its_state_only",
                condition=reduce(or_, map(_with_its_moment, State)),
            ),
        ]
        indexes = [
            models.Index(OpClass(Lower("email"), "text_pattern_ops"), name="order_email_begins"),
            models.Index(fields=["state", "-placed_at"], name="order_state"),
        ]

    def __str__(self) -> str:
        return f"order {self.id}"

    @property
    def reference(self) -> str:
        """What its payment and its mails are about, as they say it."""
        return f"order:{self.id}"


class Item(models.Model):
    """One line of an order."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_amount = models.PositiveBigIntegerField()
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(name="item_quantity_positive", condition=Q(quantity__gt=0)),
            models.UniqueConstraint(name="item_sku_once_an_order", fields=["order", "sku"]),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.name}"

    @property
    def amount(self) -> int:
        """The line's price in minor units."""
        return self.quantity * self.unit_amount
