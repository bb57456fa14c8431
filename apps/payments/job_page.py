"""What payments know of a job: the money it moves, and whether a human must look."""

from collections.abc import Iterator

from apps.payments.models import Operation, PaymentEvent
from apps.payments.states import OperationKind
from celeriac import Event, Job, JobPageSection, Link, Step, Wait, job_pages, read_uuid

#: Of a payment's own events, the latest so many.
MOST = 50
_TONES = {"succeeded": "good", "declined": "bad", "review": "warn", "contradiction": "bad"}


def register_sections() -> None:
    """Let jobs' pages ask."""
    job_pages.register_section(
        "payments", concerns_job, section_of_job, permission="payments.view_operation"
    )


def concerns_job(job: Job) -> bool:
    """Whether the job is about a payment."""
    return job.kind.startswith("payments.") and bool({"payment_id", "operation_id"} & {*job.args})


def section_of_job(job: Job) -> JobPageSection | None:
    """Return the payment's page, its events, and what waits for a human."""
    operation = _operation(job.args)
    if operation is None:
        return None
    return JobPageSection(
        links=tuple(_links(operation)), wait=_human(operation), events=tuple(_events(operation))
    )


def _operation(args: dict[str, str]) -> Operation | None:
    found = Operation.objects.select_related("payment")
    if operation_id := read_uuid(args.get("operation_id")):
        return found.filter(id=operation_id).first()
    if payment_id := read_uuid(args.get("payment_id")):
        return found.filter(payment_id=payment_id, kind=OperationKind.CAPTURE).first()
    return None


def _links(operation: Operation) -> Iterator[Link]:
    payment = operation.payment
    yield Link(f"Payment {payment.reference}", "admin:payments_payment_change", (str(payment.id),))
    text = f"Its {operation.kind}, {operation.state}"
    yield Link(text, "admin:payments_operation_change", (str(operation.id),))


def _human(operation: Operation) -> Wait | None:
    if not operation.waits_for_a_human:
        return None
    payment, reason = operation.payment, operation.review_reason.rstrip(".")
    text = (
        f"has done what it can: the {operation.kind} of payment {payment.reference} is "
        f"{operation.state} and waits for a human. {reason}"
    )
    page = Link(f"The {operation.kind}", "admin:payments_operation_decide", (str(operation.id),))
    decide = Step(
        "Look the payment up in the provider's dashboard, then decide what became of it.",
        page=page,
        verb="Decide",
    )
    again = Step(
        "If the provider is back, ask it again under the same key: no money moves twice.",
        page=Link("Operations", "admin:payments_operation_changelist", query="review=yes"),
        verb="Ask the provider again about the chosen",
    )
    return Wait("human", text, because=False, steps=(decide, again))


def _events(operation: Operation) -> Iterator[Event]:
    found = PaymentEvent.objects.filter(operation=operation).order_by("-id")[:MOST]
    for each in found:
        moved = f"{each.before or 'new'} → {each.after}" if each.after else ""
        said = str(each.details.get("reason") or each.details.get("message") or "")
        text = ", ".join(filter(None, [moved, said, f"by {each.source}"]))
        what, _, how = each.name.partition(".")
        title = f"The {what}: {how.replace('_', ' ')}"
        yield Event(each.at, title, text, _TONES.get(how, "info"))
