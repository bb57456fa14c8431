"""The provider's books against ours."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from apps.payments.errors import WrongState
from apps.payments.gateways import gateway
from apps.payments.gateways.base import Cancelled, Declined, Remote, Succeeded
from apps.payments.gateways.calls import call_gateway
from apps.payments.models import Difference, Operation, Payment
from apps.payments.models.difference import DifferenceKind
from apps.payments.services.record import record_answer
from apps.payments.states import OPEN, OperationKind, State
from celeriac import Now, audit

#: What an answer of the provider means for a payment here.
_SAYS = {Succeeded: State.SUCCEEDED, Declined: State.DECLINED, Cancelled: State.CANCELLED}


def payments_reconcile(*, since: datetime, until: datetime, provider: str = "stripe") -> int:
    """Compare the payments that the provider made in [since, until) with ours.

    What is open here is settled by what the provider says; every other difference is filed
    once. Returns how many differ. Raises CircuitOpen and GatewayFaults; run it again then.
    """
    charges: dict[str, str] = {}
    differing: set[str] = set()
    for remote in _their_books(since, until, provider):
        if _check(remote, provider, charges):
            differing.add(remote.provider_id)
        if remote.paid:
            charges.setdefault(remote.provider_id, remote.charge_id)
    return len(differing) + _missing_there(charges, since, until, provider)


def difference_close(*, difference_id: UUID, actor: object, reason: str) -> Difference:
    """Close a difference and return it; raises WrongState when it is closed already."""
    with transaction.atomic():
        difference = Difference.objects.select_for_update().get(id=difference_id)
        if difference.closed_at is not None:
            raise WrongState(f"{difference} is closed already.")
        Difference.objects.filter(id=difference_id).update(
            closed_at=Now(), closed_by=getattr(actor, "pk", None), close_reason=reason
        )
        audit.record("close", "difference", difference_id, actor=actor, reason=reason)
    difference.refresh_from_db()
    return difference


def _their_books(since: datetime, until: datetime, provider: str) -> Iterator[Remote]:
    books = gateway(provider)
    after: str | None = ""
    while after is not None:
        rows, after = call_gateway(partial(books.page, since, until, after))
        yield from rows


def _check(remote: Remote, provider: str, charges: Mapping[str, str]) -> bool:
    """Settle or compare one of their charges; return whether it differs from our books."""
    payment = Payment.objects.filter(provider=provider, reference=remote.reference).first()
    if payment is None:
        if remote.paid:
            _file(DifferenceKind.MISSING_HERE, provider, remote, None)
        return remote.paid
    if payment.state in OPEN and type(remote.answer) in _SAYS:
        capture = Operation.objects.get(payment=payment, kind=OperationKind.CAPTURE)
        record_answer(capture.id, remote.answer, source="payments.reconcile")
        payment.refresh_from_db()
    kinds = set(_differences(payment, remote))
    if remote.paid and charges.get(remote.provider_id, remote.charge_id) != remote.charge_id:
        kinds.add(DifferenceKind.CHARGED_TWICE)
    for kind in kinds:
        _file(kind, provider, remote, payment)
    return bool(kinds)


def _differences(payment: Payment, remote: Remote) -> Iterator[DifferenceKind]:
    if payment.provider_id and payment.provider_id != remote.provider_id:
        if remote.captured:
            yield DifferenceKind.CHARGED_TWICE
        return
    says = _SAYS.get(type(remote.answer))
    if says is not None and says != payment.state:
        yield DifferenceKind.STATE
    if payment.state != State.SUCCEEDED or not remote.paid:
        return
    if (payment.captured_amount, payment.currency) != (remote.captured, remote.currency):
        yield DifferenceKind.AMOUNT
    if payment.refunding_amount == 0 and payment.refunded_amount != remote.refunded:
        yield DifferenceKind.REFUNDED


def _missing_there(listed: Container[str], since: datetime, until: datetime, provider: str) -> int:
    """File what we captured in the window and the provider has no trace of; return how many."""
    ours = Payment.objects.filter(
        provider=provider, state=State.SUCCEEDED, finished_at__gte=since, finished_at__lt=until
    )
    missing = 0
    for payment in [row for row in ours if row.provider_id not in listed]:
        if not _is_there(payment):
            _file(DifferenceKind.MISSING_THERE, provider, None, payment)
            missing += 1
    return missing


def _is_there(payment: Payment) -> bool:
    """Ask by name: a payment made before the window may have been settled in it."""
    books = gateway(payment.provider)
    found = payment.provider_id and call_gateway(partial(books.fetch, payment.provider_id))
    return bool(found)


def _file(
    kind: DifferenceKind, provider: str, remote: Remote | None, payment: Payment | None
) -> None:
    theirs = _theirs(remote)
    row, is_new = Difference.objects.get_or_create(
        kind=kind,
        provider=provider,
        provider_id=remote.provider_id if remote else payment.provider_id if payment else "",
        reference=remote.reference if remote else payment.reference if payment else "",
        closed_at=None,
        defaults={"payment": payment, "ours": _ours(payment), "theirs": theirs},
    )
    if not is_new:
        Difference.objects.filter(id=row.id).update(seen_at=Now(), theirs=theirs)


def _theirs(remote: Remote | None) -> dict[str, object]:
    facts = asdict(remote) if remote else {}
    facts.pop("answer", None)
    return facts


def _ours(payment: Payment | None) -> dict[str, object]:
    if payment is None:
        return {}
    names = ("state", "amount", "captured_amount", "refunded_amount", "currency", "provider_id")
    return {name: getattr(payment, name) for name in names}
