"""The life of an order. Pure."""

from enum import StrEnum


class State(StrEnum):
    """What an order's row says; each names what moves it on."""

    #: Waits for its payment; moved on by the payment's outcome.
    PLACED = "placed"
    #: The payment succeeded and the receipt is on its way; final.
    PAID = "paid"
    #: The payment was declined; final.
    DECLINED = "declined"
    #: Given up before it was paid; final.
    CANCELLED = "cancelled"
