"""Three statements of one run, as plain values: the ledger's, the gateway's and the mail sink's."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mail:
    """An email's row. `resends` counts the calls after one whose outcome was unknown."""

    id: str
    message_id: str
    state: str
    resends: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its payment; amounts in minor units."""

    id: str
    state: str
    amount: int
    payment_id: str
    payment_state: str
    receipt: Mail | None = None
    notice: Mail | None = None

    @property
    def reference(self) -> str:
        """What the gateway and the mails call the order."""
        return f"order:{self.id}"


@dataclass(frozen=True, slots=True)
class Charge:
    """Money that the gateway took for a reference."""

    reference: str
    amount: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that the mail sink took, with the reference in its header."""

    message_id: str
    reference: str


@dataclass(frozen=True, slots=True)
class Work:
    """A job about a payment or an email."""

    id: str
    kind: str
    state: str
    about: str


@dataclass(frozen=True, slots=True)
class Statements:
    """All that an audit looks at. `promised` are the orders that clients were told of."""

    expected: int
    promised: Sequence[str] = ()
    orders: Sequence[Order] = ()
    charges: Sequence[Charge] = ()
    deliveries: Sequence[Delivery] = ()
    jobs: Sequence[Work] = ()
    stale_writes: int = 0
    failures: Sequence[str] = field(default=())
