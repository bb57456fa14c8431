"""Many jobs at once in a process, with one rule left out; and what only costs time."""

from tests.model import explore, properties
from tests.model.many import Many
from tests.model.model import Spec
from tests.model.world import Budget

PAIR = (Spec(), Spec())
POISON = (Spec(kills="child", max_losses=3), Spec(max_losses=3))
LIMIT = (Spec(kills="limit"), Spec())
LATE = (Spec(kills="late"), Spec())
#: The first ends once the second has succeeded.
WAITS = (Spec(waits_for=1), Spec())

#: name, where it is caught, the rules left out, the jobs, the world, the faults
MUTANTS = (
    (
        "more is claimed than there are free slots",
        explore.STUCK,
        {"claims_for_free_slots": False},
        WAITS,
        {"width": 1, "workers": 2},
        {},
    ),
    (
        "a job with losses runs beside others",
        properties.ONCE,
        {"losses_run": "beside"},
        POISON,
        {},
        {},
    ),
    (
        "a job with losses runs where no other does, yet",
        properties.INNOCENT,
        {"losses_run": "first"},
        (Spec(kills="child"), Spec(), Spec(kills="child")),
        {"queued": (0, 1), "enqueues": (2,)},
        {},
    ),
    (
        "a slot is opened after its claim",
        properties.UNPAID,
        {"slot_opens_first": False},
        PAIR,
        {},
        {},
    ),
    (
        "a slot is closed before its result is written",
        properties.UNPAID,
        {"slot_closes_last": False},
        PAIR,
        {},
        {},
    ),
    (
        "a start is noted after it",
        properties.COUNTS,
        {"slot_first": False},
        PAIR,
        {},
        {"child": 1},
    ),
    (
        "what had ended in a dead process is charged",
        properties.COUNTS,
        {"told_is_kept": False},
        PAIR,
        {},
        {"child": 1},
    ),
    (
        "what never began in a dead process is charged",
        properties.COUNTS,
        {"loss_is_one": False},
        PAIR,
        {},
        {"child": 1},
    ),
    (
        "a stale result keeps the others from being written",
        properties.GATHERED,
        {"stale_is_apart": False},
        PAIR,
        {"queued": (0,), "enqueues": (1,)},
        {"stall": 1},
    ),
    (
        "a process that can settle nothing waits for a doorbell",
        explore.STUCK,
        {"unfit_ends_itself": False},
        PAIR,
        {},
        {"unfit": 1},
    ),
    (
        "the monitor notes whom it has killed after the kill",
        properties.BLAME,
        {"notes_before_kill": False},
        LIMIT,
        {},
        {},
    ),
    (
        "the monitor notes a job, and not the process that it kills",
        properties.BLAME,
        {"note_names_child": False},
        LATE,
        {},
        {},
    ),
    (
        "the monitor's note is lost with it",
        properties.BLAME,
        {"note_is_in_journal": False},
        LIMIT,
        {},
        {"worker": 1},
    ),
    (
        "a hard limit charges all that ran there",
        properties.BLAME,
        {"neighbours_go_free": False},
        LIMIT,
        {},
        {},
    ),
    (
        "a death with no known cause charges nobody",
        properties.ONCE,
        {"death_charges": "none"},
        POISON,
        {},
        {},
    ),
    (
        "a job alone that kills its process is not charged",
        properties.CAPS,
        {"death_charges": "none"},
        POISON[:1],
        {},
        {},
    ),
    (
        "a death with no known cause charges one that ran",
        properties.CAPS,
        {"death_charges": "one"},
        POISON,
        {},
        {},
    ),
    (
        "the end of a stop's grace charges who ran",
        properties.STOPS_FREE,
        {"stop_is_free": False},
        PAIR,
        {},
        {"stop": 1},
    ),
)

#: The same, of rules that hold no invariant.
HARMLESS = (
    (
        "what ended is settled one by one",
        {"gathers_whole": False},
        (Spec(endings=("ok", "fail")), Spec(transactional=True)),
        {},
        {"child": 1},
    ),
)


def models():
    """Yield (model, where it is caught) of each mutant."""
    for name, breaks, rules, specs, world, faults in MUTANTS:
        yield _model(name, specs, world, faults).mutate(**rules), breaks


def harmless():
    """Return the model of each that must break nothing."""
    return [_model(name, *rest).mutate(**rules) for name, rules, *rest in HARMLESS]


def _model(name, specs, world, faults):
    world = {"queued": tuple(range(len(specs))), "bells": 1, **world}
    return Many(name, specs=specs, budget=Budget(**faults), **world)
