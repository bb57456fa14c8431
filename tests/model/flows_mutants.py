"""Flows with one rule left out, each in the smallest world that shows why it is there."""

from tests.model import flows_world as world
from tests.model.explore import STUCK
from tests.model.flows import Flow
from tests.model.flows_world import Faults

RETRY = Faults(dies=1, retry=1)

#: name, where it is caught, the rules left out, the world
_MUTANTS = (
    (
        "a group is closed in one commit, and unblocks in another",
        STUCK,
        {"one_commit": False},
        {"faults": Faults(crash=1)},
    ),
    (
        "who closes a group does not ask whether it is open",
        world.TWICE,
        {"sets_if_open": False},
        {"dispatchers": 2},
    ),
    (
        "who closes looks before the lock only",
        world.CLOSED,
        {"looks_locked": False},
        {"grows": True},
    ),
    (
        "what follows two groups is not locked before they are read",
        STUCK,
        {"locks_follower": False},
        {"dispatchers": 2},
    ),
    (
        "what is cancelled is unblocked all the same",
        world.CALLED_OFF,
        {"unblocks_waiting": False},
        {"faults": Faults(cancel=1)},
    ),
    (
        "a member that will run again counts as ended",
        world.CLOSED,
        {"counts_retries_open": False},
        {"faults": Faults(again=1)},
    ),
    ("the nudge goes before the commit", world.SWEPT, {"nudges_after_commit": False}, {}),
    (
        "a nudge for a group that is being looked at is dropped",
        world.SWEPT,
        {"hears_while_busy": False},
        {"faults": RETRY},
    ),
    ("no sweep of open groups", STUCK, {"sweeps": False}, {"faults": Faults(lost=1)}),
    (
        "who adds does not lock the group",
        world.CLOSED,
        {"adding_locks_group": False},
        {"grows": True},
    ),
    (
        "who adds may have lost its claim",
        world.FENCED,
        {"adding_is_fenced": False},
        {"grows": True, "faults": Faults(worker=1)},
    ),
    (
        "who adds may lose its claim before it commits",
        world.FENCED,
        {"adding_holds_fence": False},
        {"grows": True, "faults": Faults(worker=1)},
    ),
    ("a member is added to a closed group", world.CLOSED, {"adds_to_open": False}, {"grows": True}),
    (
        "a retry does not wait for who closes",
        world.CLOSED,
        {"reopening_locks": False},
        {"faults": RETRY},
    ),
    ("a retry leaves the group closed", world.ORACLE, {"reopens_group": False}, {"faults": RETRY}),
    (
        "a retry leaves cancelled what its death had cancelled",
        world.ORACLE,
        {"reopens_cancelled": False},
        {"faults": RETRY},
    ),
    (
        "a retry lets wait again what has run",
        world.RERUN,
        {"reopens_no_other": False},
        {"faults": RETRY, "goes_on": True},
    ),
    (
        "a retry opens the same generation again",
        world.TWICE,
        {"counts_generations": False},
        {"faults": RETRY},
    ),
    (
        "a cancel of the flow leaves out what waits",
        world.CALLED_OFF,
        {"cancel_reaches_waiting": False},
        {"faults": Faults(cancel=1)},
    ),
)


def models():
    """Yield (model, where it is caught) of each mutant."""
    for name, breaks, rules, world_ in _MUTANTS:
        yield Flow(name, **{"dispatchers": 1, **world_}).mutate(**rules), breaks
