"""The life of an order. Pure."""

from django.db.models import TextChoices


class State(TextChoices):
    """What an order's row says; each names what moves it on."""

    #: Waits for its payment; moved on by the payment's outcome.
    PLACED = "placed", "placed"
    #: The payment succeeded and the receipt is on its way; final.
    PAID = "paid", "paid"
    #: The payment was declined; final.
    DECLINED = "declined", "declined"
    #: Given up before it was paid; final.
    CANCELLED = "cancelled", "cancelled"
