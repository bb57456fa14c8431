"""The demo's arithmetic: each question finds what it asks for, and nothing else."""

from dataclasses import replace

import pytest

from sandbox.demo.audit import audit, balances
from sandbox.demo.statements import Charge, Delivery, Mail, Order, Statements, Work

RECEIPT = Mail("mail-1", "<1@shop>", "accepted")
NOTICE = Mail("mail-2", "<2@shop>", "accepted")
PAID = Order("1", "paid", 1200, "pay-1", "succeeded", receipt=RECEIPT)
DECLINED = Order("2", "declined", 500, "pay-2", "declined", notice=NOTICE)
JOBS = (
    Work("a", "payments.capture", "succeeded", "pay-1"),
    Work("b", "payments.capture", "succeeded", "pay-2"),
    Work("c", "notifications.send", "succeeded", "mail-1"),
    Work("d", "notifications.send", "succeeded", "mail-2"),
)
SOUND = Statements(
    expected=2,
    promised=("1", "2"),
    orders=(PAID, DECLINED),
    charges=(Charge("order:1", 1200),),
    deliveries=(Delivery("<1@shop>", "order:1"), Delivery("<2@shop>", "order:2")),
    jobs=JOBS,
)


def wrong(books):
    """Return the questions that found something."""
    return [check.question for check in audit(books) if not check.passed]


def test_sound_books_balance():
    """A paid and a declined order, each with its mail and jobs."""
    assert wrong(SOUND) == []
    assert balances(audit(SOUND))


def test_a_second_charge_is_found():
    """The very thing that the demo is about."""
    twice = replace(SOUND, charges=(*SOUND.charges, Charge("order:1", 1200)))
    assert wrong(twice) == ["one charge per paid order, none for others"]


@pytest.mark.parametrize(
    "charges",
    [
        (),
        (Charge("order:1", 1199),),
        (Charge("order:1", 1200), Charge("order:2", 500)),
        (Charge("order:1", 1200), Charge("order:9", 1)),
        (Charge("order:1", 1200), Charge("", 1)),
    ],
    ids=["none", "another amount", "a declined order", "a stranger", "without a reference"],
)
def test_a_charge_too_few_or_too_many_is_found(charges):
    """None for a paid order, one for a declined one, one for nobody."""
    assert wrong(replace(SOUND, charges=charges)) == ["one charge per paid order, none for others"]


def test_a_copy_is_explained_by_a_resend_after_an_unknown_outcome_only():
    """At least once is what receipts promise; the books say why there are two."""
    copies = replace(SOUND, deliveries=(*SOUND.deliveries, Delivery("<1@shop>", "order:1")))
    assert wrong(copies) == ["one receipt per paid order, by Message-ID"]
    resent = replace(PAID, receipt=replace(RECEIPT, resends=1))
    assert wrong(replace(copies, orders=(resent, DECLINED))) == []


@pytest.mark.parametrize(
    "deliveries",
    [
        SOUND.deliveries[1:],
        (*SOUND.deliveries, Delivery("<3@shop>", "order:1")),
        (*SOUND.deliveries, Delivery("<3@shop>", "order:9")),
        (Delivery("<3@shop>", "order:1"), SOUND.deliveries[1]),
    ],
    ids=["missing", "a second message", "a stranger's", "another message"],
)
def test_a_wrong_mail_is_found(deliveries):
    """One message an order, under its own Message-ID."""
    assert wrong(replace(SOUND, deliveries=deliveries)) == [
        "one receipt per paid order, by Message-ID"
    ]


@pytest.mark.parametrize(
    ("order", "payment"),
    [("placed", "unknown"), ("paid", "unknown"), ("declined", "succeeded")],
)
def test_an_order_without_an_outcome_or_at_odds_with_its_payment_is_found(order, payment):
    """Nothing may be left unknown."""
    odd = replace(DECLINED, state=order, payment_state=payment)
    assert "every order is paid or declined" in wrong(replace(SOUND, orders=(PAID, odd)))


def test_an_order_that_a_client_was_promised_is_missed():
    """And so is one that nobody was told of."""
    assert "every order placed is in the ledger" in wrong(replace(SOUND, promised=("1", "3")))
    assert "every order placed is in the ledger" in wrong(replace(SOUND, expected=3))


def test_a_lost_a_dead_and_an_unfinished_job_are_found():
    """Every payment and mail has a job, and every job ended well."""
    assert wrong(replace(SOUND, jobs=JOBS[:3])) == ["no job lost"]
    dead = replace(JOBS[0], state="dead")
    assert wrong(replace(SOUND, jobs=(dead, *JOBS[1:]))) == ["no job lost"]
    running = replace(JOBS[0], state="running")
    assert wrong(replace(SOUND, jobs=(running, *JOBS[1:]))) == ["no job left queued or running"]


def test_refused_stale_writes_are_counted_and_no_problem():
    """A refusal is the fence at work."""
    checks = audit(replace(SOUND, stale_writes=3))
    assert balances(checks)
    assert ("stale writes refused", "3") in [(check.question, check.found) for check in checks]


def test_a_run_that_broke_off_does_not_balance():
    """Whatever the books say."""
    assert wrong(replace(SOUND, failures=["worker-1 ended"])) == ["the run came to its end"]
