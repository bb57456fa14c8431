"""What payments add to the console: pages, permissions, checks, and what waits for a human."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from apps.payments.selectors import open_differences, review_queue
from celeriac import (
    Attention,
    AttentionSentence,
    CheckResult,
    Plugin,
    RetentionRule,
    breaker_options,
    check_results,
    conf,
    phrases,
)

#: Rows that the dashboard counts out.
MOST = 100
_UNKNOWN = "nobody knows what became of the money"
_DISAGREE = "our books and the provider's disagree"
_MONEY = "the books: what was sold, charged and said is kept for as long as the law asks"
_BOOKS = ("payments.Payment", "payments.Operation", "payments.PaymentEvent", "payments.Difference")


def undecided() -> Iterator[AttentionSentence]:
    """Say how many operations wait for a human."""
    if wait := _waits(review_queue(), "payment operation"):
        text = f"{wait} for a human: {_UNKNOWN}."
        yield AttentionSentence(
            text, f"{reverse('admin:payments_operation_changelist')}?review=yes"
        )


def disputed() -> Iterator[AttentionSentence]:
    """Say how many differences with the provider nobody has closed."""
    if wait := _waits(open_differences(), "difference"):
        text = f"{wait} for a human: {_DISAGREE}."
        address = reverse("admin:payments_difference_changelist")
        yield AttentionSentence(text, f"{address}?closed_at__isempty=1")


def _waits(rows: QuerySet[Any], noun: str) -> str:
    """Return that so many of `noun` wait, counted up to a number; '' where none does."""
    count = len(rows.values_list("pk")[: MOST + 1])
    if count > MOST:
        return f"{MOST}+ {phrases.waits(count, noun).partition(' ')[2]}"
    return phrases.waits(count, noun) if count else ""


def check_review() -> Iterator[CheckResult]:
    """Count what waits for a human."""
    if operations := review_queue().count():
        says = f"{phrases.waits(operations, 'operation')} for a human: {_UNKNOWN}"
        todo = "Decide each in the admin: Payments → Operations."
        yield check_results.warning("payments", says, todo)
    if differences := open_differences().count():
        says = f"{phrases.waits(differences, 'difference')} for a human: {_DISAGREE}"
        todo = "Decide each in the admin: Differences."
        yield check_results.warning("payments", says, todo)


def check_times() -> Iterator[CheckResult]:
    """Look at times of which one must outlast the other."""
    permit = breaker_options("payments").permit if "payments" in conf.BREAKERS else None
    if permit is not None and permit <= settings.PAYMENTS_TIMEOUT:
        says = f"a probe's permit ({permit:g} s) ends before a payment's call may"
        todo = "Raise BREAKERS['payments']['permit'], or lower PAYMENTS_TIMEOUT."
        yield check_results.error("settings", says, todo)
    if settings.PAYMENTS_KEY_HOURS >= 24:
        says = f"a key is used for {settings.PAYMENTS_KEY_HOURS:g} h, and forgotten there at 24"
        todo = "Lower PAYMENTS_KEY_HOURS: a later call would charge again."
        yield check_results.error("settings", says, todo)


PLUGIN = Plugin(
    name="payments",
    sidebar={
        "Payments": (
            ("Payments", "payments.payment"),
            ("Operations", "payments.operation"),
            ("Differences", "payments.difference"),
            ("Webhook events", "payments.webhookevent"),
        )
    },
    viewed=frozenset({"payments"}),
    operated=frozenset({"payments.decide_operation", "payments.close_difference"}),
    checks=(check_review, check_times),
    attention=(
        Attention("payments.view_operation", undecided),
        Attention("payments.view_difference", disputed),
    ),
    rules=(
        RetentionRule(
            "payments.WebhookEvent",
            "received_at",
            "WEBHOOKS_RETENTION_DAYS",
            by_key=True,
            filters={"processed_at__isnull": False},
        ),
    ),
    kept=dict.fromkeys(_BOOKS, _MONEY),
    large_tables=frozenset(_BOOKS),
    audited=("difference", "operation", "payment"),
)
