"""What a payment provider must be able to do, in our words. Pure.

An answer is a value: the provider said something, be it yes or no. A fault is an exception
(`GatewayFault`): the provider failed to say. Circuit breakers count the faults only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from apps.payments.states import OperationKind

#: Provider-neutral parameters of an operation, JSON values, as committed in its row.
Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The provider did it; `amount` in minor units."""

    provider_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider refused for good; no money moved."""

    code: str
    message: str
    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider found the request itself wrong: ours to mend, nothing was executed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The provider has it and is not done; `status` in its own words."""

    provider_id: str
    status: str


@dataclass(frozen=True, slots=True)
class InFlight:
    """An earlier request under the same key is still running."""

    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The provider has it and it was cancelled; no money moved."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The provider knows nothing of it (yet: searches lag)."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What an `OutcomeUnknown` becomes when it is recorded."""

    reason: str
    replayed: bool = False


Answer = Succeeded | Declined | Rejected | Unfinished | InFlight | Cancelled | NotFound
Recorded = Answer | Unknown


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a look-up knows of an operation."""

    kind: OperationKind
    operation_id: str
    provider_id: str
    payment_provider_id: str


@dataclass(frozen=True, slots=True)
class Remote:
    """One charge in the provider's books and its payment, amounts in minor units.

    `charge_id` is empty where the card was never asked; `paid` says whether money was taken.
    """

    provider_id: str
    charge_id: str
    paid: bool
    reference: str
    operation_id: str
    amount: int
    captured: int
    refunded: int
    currency: str
    status: str
    answer: Answer


class Gateway(Protocol):
    """One payment provider. Every method may raise a GatewayFault or GatewayMisconfigured."""

    name: ClassVar[str]

    def perform(self, kind: OperationKind, params: Params, key: str) -> Answer:
        """Ask for the operation under its idempotency key."""

    def find(self, lookup: Lookup) -> Answer:
        """Return what became of an operation, without asking for it again."""

    def fetch(self, provider_id: str) -> Remote | None:
        """Return one payment from the provider's books, None where it has no such payment."""

    def page(
        self, since: datetime, until: datetime, after: str = ""
    ) -> tuple[list[Remote], str | None]:
        """Return one page of the charges made in [since, until), and the cursor of the next."""
