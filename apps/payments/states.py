"""The life of a payment operation, as one table. Pure: no Django."""

from django.db.models import TextChoices


class State(TextChoices):
    """What a payment's or an operation's row says; each names what moves it on."""

    #: Committed, never sent; moved on by submit, or cancelled without a call.
    PENDING = "pending", "pending"
    #: Key and parameters are committed and the provider may have been called.
    SUBMITTED = "submitted", "submitted"
    #: Called, and the answer got lost: money may have moved. Moved on by its resolution or a human.
    UNKNOWN = "unknown", "unknown"
    #: The provider did it; final.
    SUCCEEDED = "succeeded", "succeeded"
    #: The provider said no; final.
    DECLINED = "declined", "declined"
    #: Given up before money moved; final.
    CANCELLED = "cancelled", "cancelled"


FINAL = frozenset({State.SUCCEEDED, State.DECLINED, State.CANCELLED})
#: The provider may know of it, and we do not know what it did.
OPEN = frozenset({State.SUBMITTED, State.UNKNOWN})

EDGES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.SUBMITTED, State.CANCELLED}),
    State.SUBMITTED: frozenset({State.UNKNOWN, *FINAL}),
    State.UNKNOWN: FINAL,
}


class OperationKind(TextChoices):
    """What an operation asks of the provider."""

    CAPTURE = "capture", "capture"
    REFUND = "refund", "refund"
    CANCEL = "cancel", "cancel"


def allows(before: State, after: State) -> bool:
    """Return whether an edge leads from one state to the other."""
    return after in EDGES.get(before, frozenset())
