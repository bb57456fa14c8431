"""The open line with one rule left out; and what only costs time or order there."""

from dataclasses import replace

from tests.model import explore, properties
from tests.model.configs import PLAIN
from tests.model.model import Model, Spec
from tests.model.world import Budget

ONE = {"specs": (PLAIN,), "enqueues": (0,), "workers": 1}
TWO = {"specs": (Spec(), PLAIN), "queued": (0,), "enqueues": (1,), "workers": 1}
PAIR = {**TWO, "workers": 2}
LOCKED = {**PAIR, "specs": (Spec(lock="l"), replace(PLAIN, lock="l"))}
#: Nothing is lost, so that nothing may need a second ring: what is dropped stays dropped.
CALM = {"rings_again": False}

#: name, where it is caught, the rules left out, the world, the faults
MUTANTS = (
    (
        "what was handed over is trusted to be answered",
        explore.STUCK,
        {"handed_is_doubted": False},
        ONE,
        {"child": 1},
    ),
    (
        "a job is handed over before its commit, and trusted",
        explore.STUCK,
        {"handed_after_commit": False, "handed_is_doubted": False},
        ONE | CALM,
        {},
    ),
    (
        "what lies in the overflow is trusted to be answered",
        explore.STUCK,
        {"overflow_is_doubted": False},
        TWO,
        {"flush": 1},
    ),
    (
        "overflow is left to a line that its children have left",
        explore.STUCK,
        {"overflow_is_taken_back": False},
        TWO | CALM,
        {},
    ),
    (
        "a place outlives its child, and counts as on the line",
        explore.STUCK,
        {"places_expire": False},
        TWO,
        {"child": 1},
    ),
    (
        "a place is taken twice, and the second doorbell waits",
        properties.BEHIND,
        {"takes_place": "queues"},
        TWO,
        {},
    ),
    (
        "a place is taken twice, and the second doorbell replaces",
        explore.STUCK,
        {"takes_place": "overwrites"},
        TWO | CALM,
        {},
    ),
    (
        "a place is offered anew over a doorbell",
        properties.BEHIND,
        {"renews_empty": False},
        TWO,
        {},
    ),
    (
        "a child looks for overflow, then offers its place",
        properties.STANDS_IDLE,
        {"offers_at_once": False},
        TWO,
        {},
    ),
    (
        "a child leaves, and its place stays free",
        explore.STUCK,
        {"withdraws": False},
        ONE | CALM,
        {},
    ),
    (
        "a child looks into its mailbox, then withdraws its place",
        explore.STUCK,
        {"leaves_at_once": False},
        ONE | CALM,
        {},
    ),
    (
        "what lies in a mailbox starts without a claim",
        properties.STARTS_OWN,
        {"mail_is_claimed": False},
        ONE,
        {},
    ),
    (
        "what lies in a mailbox is claimed without the due check",
        properties.NOT_BEFORE_TIME,
        {"mail_checks_due": False},
        ONE | {"workers": 2},
        {},
    ),
    (
        "what lies in a mailbox is claimed without the pause check",
        properties.NOT_BEFORE_TIME,
        {"mail_checks_pause": False},
        ONE,
        {"pause": 1},
    ),
)

#: The same, of rules that hold no invariant: the dispatcher's look or second ring makes up for it.
HARMLESS = (
    ("a job with a lock is handed over", {"hands_locks": True}, LOCKED),
    ("a job is handed over before its commit", {"handed_after_commit": False}, TWO),
    ("a child looks into its mailbox, then withdraws", {"leaves_at_once": False}, TWO),
    ("a child leaves, and its place stays free", {"withdraws": False}, TWO),
    ("the second doorbell for a place replaces the first", {"takes_place": "overwrites"}, TWO),
)


def models():
    """Yield (model, where it is caught) of each mutant."""
    for name, breaks, rules, world, faults in MUTANTS:
        yield Model(name, line=True, budget=Budget(**faults), **world).mutate(**rules), breaks


def harmless():
    """Return the model of each that must break nothing."""
    return [Model(name, line=True, **at).mutate(**rules) for name, rules, at in HARMLESS]
