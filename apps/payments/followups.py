"""What else a payment moves: each model that has a payment registers what follows.

Imports run one way: orders know payments, payments do not know orders. A follow-up is called
inside the transaction that settles the payment: what it writes commits with it or nothing does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db.models import ForeignObjectRel, Model

from apps.payments.models import Payment


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Called with `payment`: when it succeeded, was declined or cancelled; when money went back."""

    settled: Callable[..., object]
    refunded: Callable[..., object]


_follow_ups: dict[type[Model], FollowUp] = {}


def register_follow_up(model: type[Model], follow_up: FollowUp) -> None:
    """Have `follow_up` called for the rows of `model`, which has a payment."""
    _follow_ups[model] = follow_up


def follow_settled(payment: Payment) -> None:
    """Let all that has the payment follow its final state."""
    for follow_up in _follow_ups.values():
        follow_up.settled(payment=payment)


def follow_refunded(payment: Payment) -> None:
    """Let all that has the payment know what it gave back."""
    for follow_up in _follow_ups.values():
        follow_up.refunded(payment=payment)


def check_follow_ups(**_: Any) -> list[CheckMessage]:
    """Refuse a model with a payment that would never hear that it was paid."""
    relations = Payment._meta.get_fields(include_hidden=True)  # those without a way back, too
    bound = {each.related_model for each in relations if isinstance(each, ForeignObjectRel)}
    others = {model for model in bound if model._meta.app_label != Payment._meta.app_label}
    return [
        Error(
            f"{model._meta.label} has a payment, but nothing follows when that is settled.",
            hint="Call apps.payments.followups.register_follow_up when its app is ready.",
            id="payments.E001",
        )
        for model in sorted(others - _follow_ups.keys(), key=lambda model: model._meta.label)
    ]
