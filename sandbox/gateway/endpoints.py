"""The endpoints of the API: each reads its parameters first, and only then may act.

An endpoint returns a plan. Everything that it refuses before is a validation failure, which
idempotency keys do not remember; whatever the plan answers, they do.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.gateway import errors
from sandbox.gateway.bank import Bank
from sandbox.gateway.listing import check_expansion, expanded, page_of
from sandbox.gateway.params import Params
from sandbox.gateway.search import search
from sandbox.gateway.tables import Json, Table

#: Acts, given the decline code that a fault prescribes, if any.
type Plan = Callable[[str | None], Json]

REFUND_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
CANCEL_REASONS = (*REFUND_REASONS, "abandoned")
CAPTURE_METHODS = ("automatic", "automatic_async", "manual")
INTENT_TEXTS = ("customer", "description", "receipt_email")
CONFIRM_PARAMS = (
    "payment_method",
    "return_url",
    "off_session",
    "error_on_requires_action",
    "receipt_email",
    "setup_future_usage",
    "expand",
)
CREATE_PARAMS = (
    *CONFIRM_PARAMS,
    *INTENT_TEXTS,
    "amount",
    "currency",
    "confirm",
    "metadata",
    "capture_method",
    "confirmation_method",
    "payment_method_types",
    "automatic_payment_methods",
    "payment_method_options",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
    "shipping",
)

#: Stripe's test cards that are declined, and with which decline code.
DECLINED_CARDS = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedStolenCard": "stolen_card",
    "pm_card_chargeDeclinedFraudulent": "fraudulent",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
    "pm_card_chargeDeclinedProcessingError": "processing_error",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an endpoint: the ids in its path and its parameters."""

    bank: Bank
    ids: tuple[str, ...]
    params: Params
    path: str
    now: float
    search_lag: float


def intent_create(call: Call) -> Plan:
    """POST /v1/payment_intents, confirmed at once with `confirm=true`."""
    params = call.params.only(CREATE_PARAMS)
    method = _card(params)
    amount = params.integer("amount", least=1)
    if amount is None:
        raise errors.invalid("Missing required param: amount.", "amount", "parameter_missing")
    fields: Json = {name: params.text(name) for name in INTENT_TEXTS}
    fields |= {
        "amount": amount,
        "currency": _currency(params),
        "capture_method": params.one_of("capture_method", CAPTURE_METHODS, "automatic_async"),
        "metadata": params.metadata(),
        "payment_method": method,
        "status": "requires_confirmation" if method else "requires_payment_method",
    }
    confirm = params.flag("confirm")
    if confirm and method is None:
        raise errors.invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            "payment_method",
            "parameter_missing",
        )

    def act(decline: str | None) -> Json:
        intent = call.bank.create(fields)
        if not confirm:
            return intent
        return call.bank.confirm(intent["id"], None, _verdict(method, decline))

    return act


def intent_confirm(call: Call) -> Plan:
    """POST /v1/payment_intents/{id}/confirm."""
    method = _card(call.params.only((*CONFIRM_PARAMS, "capture_method")))
    intent = call.bank.intents.get(call.ids[0], "intent")
    card = method or intent["payment_method"]
    return lambda decline: call.bank.confirm(intent["id"], method, _verdict(card, decline))


def intent_capture(call: Call) -> Plan:
    """POST /v1/payment_intents/{id}/capture, in full or `amount_to_capture`."""
    params = call.params.only(("amount_to_capture", "final_capture", "metadata", "expand"))
    amount = params.integer("amount_to_capture", least=1)
    intent = call.bank.intents.get(call.ids[0], "intent")
    return lambda _: call.bank.capture(intent["id"], amount)


def intent_cancel(call: Call) -> Plan:
    """POST /v1/payment_intents/{id}/cancel."""
    params = call.params.only(("cancellation_reason", "expand"))
    reason = params.one_of("cancellation_reason", (*CANCEL_REASONS, ""), "") or None
    intent = call.bank.intents.get(call.ids[0], "intent")
    return lambda _: call.bank.cancel(intent["id"], reason)


def refund_create(call: Call) -> Plan:
    """POST /v1/refunds of a charge or of a payment intent's charge, in full or `amount`."""
    params = call.params.only(
        ("amount", "charge", "payment_intent", "reason", "metadata", "expand")
    )
    amount = params.integer("amount", least=1)
    reason = params.one_of("reason", (*REFUND_REASONS, ""), "") or None
    fields: Json = {"metadata": params.metadata(), "reason": reason}
    charge, intent = params.text("charge"), params.text("payment_intent")
    if charge is not None:
        known = call.bank.charges.get(charge, "charge")["id"]
        return lambda _: call.bank.refund(known, amount, fields)
    if intent is None:
        raise errors.invalid(
            "One of the following params should be provided for this request: "
            "payment_intent or charge.",
            code="parameter_missing",
        )
    known = call.bank.intents.get(intent, "payment_intent")["id"]
    return lambda _: call.bank.refund(call.bank.charge_of(known), amount, fields)


def retrieve(table: str) -> Callable[[Call], Plan]:
    """Make the endpoint that returns one object of a table."""

    def endpoint(call: Call) -> Plan:
        call.params.only(("expand", "client_secret"))
        row = call.bank.tables[table].get(call.ids[0], table)
        return lambda _: row

    return endpoint


def listed(table: str, *filters: str) -> Callable[[Call], Plan]:
    """Make the endpoint that lists a table, newest first."""

    def endpoint(call: Call) -> Plan:
        page = page_of(call.bank.tables[table], call.params, call.path, *filters)
        return lambda _: page

    return endpoint


def searched(table: str) -> Callable[[Call], Plan]:
    """Make the endpoint that searches a table, blind to what is newer than the search lag."""

    def endpoint(call: Call) -> Plan:
        rows: Table = call.bank.tables[table]
        page = search(rows, call.params, call.path, call.now - call.search_lag)
        return lambda _: page

    return endpoint


def events_listed(call: Call) -> Plan:
    """GET /v1/events, of one `type` or several `types[]`."""
    types = set(call.params.items("types"))
    rest = Params({name: v for name, v in call.params.values.items() if name != "types"})
    matches = (lambda row: row["type"] in types) if types else (lambda row: True)
    page = page_of(call.bank.events, rest, call.path, "type", matches=matches)
    return lambda _: page


def balance(call: Call) -> Plan:
    """GET /v1/balance: captured less refunded, by currency."""
    totals: dict[str, int] = {}
    for charge in call.bank.real_charges():
        net = charge["amount_captured"] - charge["amount_refunded"] if charge["captured"] else 0
        totals[charge["currency"]] = totals.get(charge["currency"], 0) + net
    available = [{"amount": amount, "currency": name} for name, amount in totals.items()]
    answer = {"object": "balance", "available": available, "pending": [], "livemode": False}
    return lambda _: answer


def with_expansion(call: Call, plan: Plan) -> Plan:
    """Return the plan, its answer expanded as `expand[]` asks."""
    paths = call.params.items("expand")
    check_expansion(paths)
    return lambda decline: expanded(call.bank, plan(decline), paths)


def _currency(params: Params) -> str:
    currency = params.required("currency").lower()
    if len(currency) != 3 or not currency.isalpha():
        raise errors.invalid(f"Invalid currency: {currency}.", "currency")
    return currency


def _card(params: Params) -> str | None:
    method = params.text("payment_method")
    if method is not None and not method.startswith("pm_"):
        raise errors.missing("PaymentMethod", method, "payment_method")
    return method


def _verdict(card: str | None, decline: str | None) -> str | None:
    return DECLINED_CARDS.get(card or "") or decline
