"""What the provider knows and does: intents, charges, refunds and the events they cause."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.common.journal import Journal
from sandbox.gateway import errors, objects
from sandbox.gateway.clock import Clock
from sandbox.gateway.tables import Json, Table

CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
CANCELABLE = {*CONFIRMABLE, "requires_capture", "processing"}


class Bank:
    """The provider's books. Callers hold `lock` around every verb."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.lock = threading.RLock()
        self.intents = Table("payment_intent", journal)
        self.charges = Table("charge", journal)
        self.refunds = Table("refund", journal)
        self.events = Table("event", journal)
        self.on_event: Callable[[Json], None] = lambda event: None
        self._clock = clock

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by the kind of their objects."""
        tables = (self.intents, self.charges, self.refunds, self.events)
        return {table.kind: table for table in tables}

    def create(self, fields: Json) -> Json:
        """Return a new PaymentIntent."""
        intent = self.intents.put(objects.payment_intent(created=self._now(), **fields))
        self._emit("payment_intent.created", intent)
        return intent

    def confirm(self, intent_id: str, method: str | None, decline: str | None) -> Json:
        """Charge the card (authorise it, for manual capture), or decline it.

        Raises ApiError: 400 where the status forbids it or no card is known, 402 for a decline.
        """
        intent = self.intents.get(intent_id, "intent")
        if intent["status"] not in CONFIRMABLE:
            raise errors.unexpected_state(
                f"You cannot confirm this PaymentIntent because it has a status of "
                f"{intent['status']}.",
                intent,
            )
        card = method or intent["payment_method"]
        if card is None:
            raise errors.unexpected_state(
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
                intent,
            )
        intent = {**intent, "payment_method": card}
        return self._decline(intent, decline) if decline else self._charge(intent)

    def charge_again(self, intent_id: str) -> Json:
        """Charge the card of a succeeded intent once more: the very thing audits must find."""
        intent = self.intents.get(intent_id, "intent")
        if intent["status"] not in {"succeeded", "requires_capture"}:
            return intent
        captured = intent["status"] == "succeeded"
        return self._book(intent, captured=captured)

    def capture(self, intent_id: str, amount: int | None) -> Json:
        """Capture what was authorised, all or part of it; raises ApiError (400)."""
        intent = self.intents.get(intent_id, "intent")
        if intent["status"] != "requires_capture":
            raise errors.unexpected_state(
                f"This PaymentIntent could not be captured because it has a status of "
                f"{intent['status']}.",
                intent,
            )
        taken = intent["amount_capturable"] if amount is None else amount
        if taken > intent["amount_capturable"]:
            raise errors.invalid(
                "The amount to capture is greater than the remaining amount.",
                "amount_to_capture",
                "amount_too_large",
            )
        charge = {
            **self.charges.get(intent["latest_charge"]),
            "captured": True,
            "amount_captured": taken,
        }
        self._emit("charge.captured", self.charges.put(charge))
        done = {**intent, "status": "succeeded", "amount_capturable": 0, "amount_received": taken}
        self._emit("payment_intent.succeeded", self.intents.put(done))
        return done

    def cancel(self, intent_id: str, reason: str | None) -> Json:
        """Cancel an intent that has not succeeded; raises ApiError (400)."""
        intent = self.intents.get(intent_id, "intent")
        if intent["status"] not in CANCELABLE:
            raise errors.unexpected_state(
                f"You cannot cancel this PaymentIntent because it has a status of "
                f"{intent['status']}.",
                intent,
            )
        if intent["status"] == "requires_capture":
            charge = self.charges.get(intent["latest_charge"])
            void = {**charge, "refunded": True, "amount_refunded": charge["amount"]}
            self._emit("charge.refunded", self.charges.put(void))
        done = {
            **intent,
            "status": "canceled",
            "amount_capturable": 0,
            "canceled_at": self._now(),
            "cancellation_reason": reason,
        }
        self._emit("payment_intent.canceled", self.intents.put(done))
        return done

    def refund(self, charge_id: str, amount: int | None, fields: Json) -> Json:
        """Give back all or part of what a charge captured; raises ApiError (400)."""
        charge = self.charges.get(charge_id, "charge")
        left = charge["amount_captured"] - charge["amount_refunded"]
        if charge["captured"] and left == 0:
            raise errors.invalid(
                f"Charge {charge_id} has already been refunded.", code="charge_already_refunded"
            )
        wanted = left if amount is None else amount
        if wanted > left or not charge["captured"]:
            raise errors.invalid(
                f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})",
                "amount",
            )
        refund = objects.refund(created=self._now(), charge=charge, amount=wanted, **fields)
        total = charge["amount_refunded"] + wanted
        charge = {
            **charge,
            "amount_refunded": total,
            "refunded": total == charge["amount_captured"],
        }
        self.charges.put(charge)
        self._emit("refund.created", self.refunds.put(refund))
        self._emit("charge.refunded", charge)
        return refund

    def charge_of(self, intent_id: str) -> str:
        """Return the id of the charge that a refund of this intent refunds; raises ApiError."""
        intent = self.intents.get(intent_id, "payment_intent")
        if intent["status"] != "succeeded":
            raise errors.unexpected_state(
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                intent,
            )
        return str(intent["latest_charge"])

    def real_charges(self) -> Iterable[Json]:
        """Yield the charges that moved or hold money, oldest first: declines are none."""
        return (charge for charge in self.charges.oldest_first() if charge["paid"])

    def restore(self, kind: str, row: Json) -> None:
        """Take back an object from the journal."""
        self.tables[kind].restore(row)

    def clear(self) -> None:
        """Forget everything."""
        for table in self.tables.values():
            table.clear()

    def _charge(self, intent: Json) -> Json:
        manual = intent["capture_method"] == "manual"
        charge = self._book(intent, captured=not manual)
        status, amount = ("requires_capture" if manual else "succeeded"), intent["amount"]
        money = {"amount_capturable": amount} if manual else {"amount_received": amount}
        done = {
            **intent,
            **money,
            "status": status,
            "latest_charge": charge["id"],
            "last_payment_error": None,
        }
        event = "amount_capturable_updated" if manual else "succeeded"
        self._emit(f"payment_intent.{event}", self.intents.put(done))
        return done

    def _book(self, intent: Json, *, captured: bool) -> Json:
        amount = intent["amount"] if captured else 0
        charge = objects.charge(
            created=self._now(),
            intent=intent,
            payment_method=intent["payment_method"],
            captured=captured,
            amount_captured=amount,
        )
        self._emit("charge.succeeded", self.charges.put(charge))
        return charge

    def _decline(self, intent: Json, decline: str) -> Json:
        charge = objects.charge(
            created=self._now(), intent=intent, payment_method=intent["payment_method"]
        )
        error = errors.decline_error(decline, charge["id"])
        self._emit("charge.failed", self.charges.put({**charge, **objects.failure(error)}))
        failed = {
            **intent,
            "status": "requires_payment_method",
            "payment_method": None,
            "latest_charge": charge["id"],
            "last_payment_error": error,
        }
        self._emit("payment_intent.payment_failed", self.intents.put(failed))
        raise errors.declined(error, failed)

    def _emit(self, kind: str, about: Json) -> None:
        event = objects.event(created=self._now(), kind=kind, about=about)
        self.on_event(self.events.put(event))

    def _now(self) -> int:
        return int(self._clock.now())


def reference_of(row: Json, key: str) -> Any:
    """Return the merchant's reference in an object's metadata, None without one."""
    return row.get("metadata", {}).get(key)
