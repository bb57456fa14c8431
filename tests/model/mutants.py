"""The protocol with one rule left out, each in the smallest world that shows why it is there."""

from dataclasses import dataclass, replace

from celeriac.jobs.losses import Loss
from tests.model import (
    call_off,
    explore,
    flows_mutants,
    halting,
    heartbeat,
    line_mutants,
    loop,
    many_mutants,
    properties,
)
from tests.model.configs import EFFECT, PLAIN
from tests.model.model import Model, Spec
from tests.model.world import Budget


@dataclass(frozen=True)
class Mutant:
    """A mutated model and the invariant that it must be caught at."""

    name: str
    model: object
    breaks: str


def _with(name, breaks, rules, **world):
    world.setdefault("specs", (Spec(endings=("ok", "fail")),))
    world.setdefault("queued", () if "enqueues" in world else tuple(range(len(world["specs"]))))
    faults = Budget(**world.pop("budget", {}))
    model = Model(name, budget=faults, **world)
    return Mutant(name, model.mutate(**rules), breaks)


KEYED = (Spec(key="k"), Spec(key="k"))
LOCKED = (Spec(lock="l"), Spec(lock="l"))
ONCE = (Spec(runs_again=frozenset()),)
LATE = (Spec(runs_again=frozenset({Loss.WORKER})),)
POISON = (Spec(kills="child", max_losses=3), Spec(max_losses=3))
DEADLY = (Spec(kills="worker", max_losses=3), Spec(max_losses=3))

_PROTOCOL = (
    _with(
        "enqueue after the commit",
        properties.EXISTS,
        {"in_transaction": False},
        enqueues=(0,),
    ),
    _with(
        "publish before the commit, and trust it",
        explore.STUCK,
        {"rings_after_commit": False},
        enqueues=(0,),
        dispatchers=0,
    ),
    _with(
        "no re-ring",
        explore.STUCK,
        {"rings_again": False},
        budget={"flush": 1},
    ),
    _with(
        "no sweep: a nudge is trusted to arrive",
        explore.STUCK,
        {"sweeps": False},
        enqueues=(0,),
    ),
    _with(
        "a new dispatcher takes its memory for truth",
        explore.STUCK,
        {"starts_empty": False, "rings_again": False},
        budget={"dispatcher": 1},
    ),
    _with(
        "no rescue",
        explore.STUCK,
        {"rescues": False},
        budget={"worker": 1},
    ),
    _with(
        "claim without the state check",
        properties.EDGE,
        {"checks_state": False},
        budget={"twice": 1},
    ),
    _with(
        "claim without the due check",
        properties.NOT_BEFORE_TIME,
        {"checks_due": False},
        budget={"twice": 1},
    ),
    _with(
        "claim without the pause check",
        properties.NOT_BEFORE_TIME,
        {"checks_pause": False},
        budget={"pause": 1},
    ),
    _with(
        "a claim whose answer was lost is forgotten",
        properties.UNPAID,
        {"keeps_claim": False},
        budget={"answer": 1},
    ),
    _with(
        "fence by counter",
        properties.OWNERSHIP,
        {"fence": "attempt"},
        budget={"failover": 1, "twice": 1},
    ),
    _with(
        "settle without claim_id",
        properties.OWNERSHIP,
        {"fence": "state"},
        budget={"stall": 1},
    ),
    _with(
        "settle by id alone",
        properties.OWNERSHIP,
        {"fence": "none"},
        budget={"stall": 1},
    ),
    _with(
        "effect committed before its settle",
        properties.EXACTLY_ONCE,
        {"joint_commit": False},
        specs=(EFFECT,),
        budget={"worker": 1},
    ),
    _with(
        "no verification after a stall",
        properties.STARTS_OWN,
        {"verifies": False},
        budget={"stall": 1},
    ),
    _with(
        "unique hit without the row lock",
        properties.SEEN,
        {"hit_locks": False},
        specs=KEYED,
        enqueues=(0, 1),
    ),
    _with(
        "unique absorbs a running job",
        properties.SEEN,
        {"hit_spares_running": False, "hit_locks": False},
        specs=KEYED,
        enqueues=(0, 1),
    ),
    _with(
        "unique hit keeps the other's deadline",
        properties.SEEN,
        {"hit_lifts_expiry": False},
        specs=(Spec(key="k", expires=True), Spec(key="k")),
        enqueues=(0, 1),
        budget={"deadline": 1},
    ),
    _with(
        "a superseded job leaves its work to one that may expire",
        properties.SEEN,
        {"heir_lifts_expiry": False},
        specs=(replace(PLAIN, key="k"), Spec(key="k", expires=True)),
        enqueues=(0, 1),
        budget={"deadline": 1},
    ),
    _with(
        "no check for superseded",
        properties.ONE_QUEUED,
        {"superseded": False},
        specs=(replace(PLAIN, key="k"), Spec(key="k")),
        enqueues=(0, 1),
    ),
    _with(
        "lock kept by the dispatcher alone",
        properties.ONE_RUNNING,
        {"lock_index": False},
        specs=LOCKED,
    ),
    _with(
        "release charges a failure",
        properties.COUNTS,
        {"release_is_free": False},
        budget={"release": 1},
    ),
    _with(
        "a lost run counts as a failure",
        properties.COUNTS,
        {"loss_is_no_failure": False},
        budget={"worker": 1},
    ),
    _with(
        "a dead child's neighbours are charged too",
        properties.COUNTS,
        {"loss_is_one": False},
        specs=POISON,
    ),
    _with(
        "an outage is the handler's failure",
        properties.COUNTS,
        {"outage_is_free": False},
        specs=(EFFECT,),
        budget={"failover": 1},
    ),
    _with(
        "a handler that breaks its connection is run for ever",
        properties.CAPS,
        {"cuts_end": False},
        specs=(Spec(endings=("cut",)),),
    ),
    _with(
        "the slot is told after the start",
        properties.COUNTS,
        {"slot_first": False},
        specs=POISON,
    ),
    _with(
        "losses are not counted",
        properties.CAPS,
        {"counts_losses": False},
        specs=POISON[:1],
    ),
    _with(
        "a job with losses is claimed in company",
        properties.INNOCENT,
        {"checks_alone": False},
        specs=DEADLY,
        budget={"twice": 1},
    ),
    _with(
        "what has begun is run again after any loss",
        properties.BEGINS_ONCE,
        {"begins_once": False},
        specs=ONCE,
        budget={"worker": 1},
    ),
    _with(
        "a child's loss is taken for that of its worker",
        properties.BEGINS_ONCE,
        {"tells_losses": False},
        specs=LATE,
        budget={"child": 1},
    ),
    _with(
        "what may not happen again is claimed asynchronously",
        properties.BEGINS_ONCE,
        {"claims_durably": False},
        specs=ONCE,
        budget={"failover": 1},
    ),
    _with(
        "an operator's retry starts the attempts anew",
        properties.COUNTS,
        {"retry_keeps_attempt": False},
        specs=(replace(PLAIN, max_attempts=1),),
        budget={"revive": 1},
    ),
    _with(
        "cancel forgotten on retry",
        properties.CANCEL,
        {"cancel_overtakes": False},
        budget={"cancel": 1},
    ),
    _with(
        "cancel in two statements",
        properties.CANCEL,
        {"cancels_at_once": False},
        budget={"cancel": 1},
    ),
    _with(
        "deadline binds later attempts",
        properties.FIRST_START,
        {"expires_first_only": False},
        specs=(Spec(endings=("ok", "fail"), expires=True),),
        budget={"deadline": 1},
    ),
)


MUTANTS = (
    *_PROTOCOL,
    *(Mutant(model.name, model, breaks) for model, breaks in line_mutants.models()),
    *(Mutant(model.name, model, breaks) for model, breaks in many_mutants.models()),
    *(Mutant(model.name, model, heartbeat.WRONGED) for model in heartbeat.MUTANTS),
    *(
        Mutant(model.name, model, halting.BOTH if model.rules.names_claim else explore.STUCK)
        for model in halting.MUTANTS
    ),
    *(Mutant(model.name, model, breaks) for model, breaks in call_off.MUTANTS),
    *(Mutant(model.name, model, breaks) for model, breaks in loop.MUTANTS),
    *(Mutant(model.name, model, breaks) for model, breaks in flows_mutants.models()),
)

#: What costs only time or order.
HARMLESS = (*line_mutants.harmless(), *many_mutants.harmless())
