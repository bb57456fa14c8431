"""The configurations: each small world asks one part of the protocol everything it can.

Each bound is the configuration itself: its jobs, callers and processes, the bells
that the broker holds at a time, and its budget of faults and wishes, which may come
between any two steps. `SMALL` is what every test run explores, `FULL` what the
command does: the same worlds with more going wrong in them.
"""

from dataclasses import replace

from celeriac.jobs.losses import Loss
from tests.model.call_off import CallOff
from tests.model.flows import Flow
from tests.model.flows_world import Faults
from tests.model.halting import Halting
from tests.model.heartbeat import Heartbeat
from tests.model.loop import Loop
from tests.model.many import Many
from tests.model.model import Model, Spec
from tests.model.world import Budget

PLAIN = Spec(endings=("ok", "fail"))
MOODY = Spec(endings=("ok", "fail", "snooze", "stop"))
EFFECT = Spec(transactional=True)

#: Two ids in a bell, delivered twice, lost, released; child and dispatcher die.
FLOW = Model(
    "flow",
    specs=(PLAIN, EFFECT),
    queued=(0, 1),
    budget=Budget(child=1, flush=1, twice=1, release=1),
)
#: Two dispatchers that hold the same queue.
DISPATCHERS = Model(
    "dispatchers",
    specs=(PLAIN, Spec()),
    queued=(0, 1),
    workers=1,
    dispatchers=2,
    budget=Budget(dispatcher=1, flush=1, worker=1),
)
#: Workers that die, and workers that come back from a sleep longer than their lease.
SLEEP = Model(
    "sleep",
    specs=(PLAIN, EFFECT),
    queued=(0, 1),
    budget=Budget(stall=1, twice=1, release=1),
)
#: The database forgets asynchronous claims.
FAILOVER = Model(
    "failover",
    specs=(PLAIN, EFFECT),
    queued=(0, 1),
    budget=Budget(failover=1, twice=1, child=1),
)
#: Claims whose answers are lost on the way.
ANSWERS = Model(
    "answers",
    specs=(PLAIN, EFFECT),
    queued=(0, 1),
    budget=Budget(answer=2, twice=1),
)
#: What Celery never starts twice, and what it does when a whole worker is gone, in one bell.
ONCE = Model(
    "once",
    specs=(Spec(runs_again=frozenset()), Spec(runs_again=frozenset({Loss.WORKER}))),
    queued=(0, 1),
    budget=Budget(child=1, failover=1, twice=1, release=1),
)
#: Three transactions under one unique_key; the second sets a deadline.
UNIQUE = Model(
    "unique",
    specs=(replace(PLAIN, key="k"), replace(PLAIN, key="k", expires=True), Spec(key="k")),
    enqueues=(0, 1, 2),
    budget=Budget(deadline=1),
)
#: Two under one key when the database forgets, children die and an operator steps in.
UNIQUE_FAULTS = Model(
    "unique, faults",
    specs=(replace(PLAIN, key="k"), Spec(key="k")),
    enqueues=(0, 1),
    budget=Budget(failover=1, cancel=1, revive=1),
)
#: Two jobs that must not run side by side.
LOCK = Model(
    "lock",
    specs=(replace(PLAIN, lock="l"), Spec(lock="l")),
    queued=(0, 1),
    budget=Budget(failover=1, stall=1),
)
#: A job that kills its child each time, in one bell with an innocent one.
POISON_CHILD = Model(
    "poison, child",
    specs=(Spec(kills="child", max_losses=3), Spec(max_losses=3)),
    queued=(0, 1),
    budget=Budget(twice=2, early=2),
)
#: A job that takes the whole worker along.
POISON_WORKER = Model(
    "poison, worker",
    specs=(Spec(kills="worker", max_losses=3), Spec(max_losses=3)),
    queued=(0, 1),
    budget=Budget(twice=2, early=2),
)
#: Cancel, retry, pause and a deadline, for a job that fails, snoozes and stops.
OPERATOR = Model(
    "operator",
    specs=(replace(MOODY, expires=True),),
    queued=(0,),
    budget=Budget(cancel=1, revive=1, pause=1, deadline=1, snooze=1, child=1),
)
#: A handler that loses its connection now and then, or each time, and an outage.
CUTS = Model(
    "cuts",
    specs=(replace(EFFECT, endings=("ok", "cut", "fail")),),
    queued=(0,),
    budget=Budget(failover=1, revive=1),
)
#: One job on the open line, whose children die and whose broker forgets.
LINE = Model(
    "line",
    specs=(PLAIN,),
    enqueues=(0,),
    line=True,
    budget=Budget(child=1, flush=1),
)
#: Two where nothing is lost: no doorbell may need to be rung a second time.
LINE_CALM = Model(
    "line, calm",
    specs=(Spec(), PLAIN),
    queued=(0,),
    enqueues=(1,),
    line=True,
    rings_again=False,
)
#: Children that sleep on the line, in a job or beside their mailbox.
LINE_SLEEP = replace(LINE, name="line, sleep", budget=Budget(stall=1))
#: What a claim has to see to: a queue is paused behind the hand-over, a claim is forgotten.
LINE_CLAIM = replace(LINE, name="line, claim", budget=Budget(pause=1, twice=1))
#: Two in the slots of a process that dies between any two steps.
MANY = Many("many", specs=(PLAIN, EFFECT), queued=(0, 1), bells=1, budget=Budget(child=1))
#: One that never ends, whose parent dies as well: between look, note, kill and burial.
MANY_LIMIT = replace(
    MANY, name="many, limit", specs=(Spec(kills="limit"), Spec()), budget=Budget(worker=1)
)
#: One that may end just as it is killed for its limit; its process may die of something else.
MANY_LATE = replace(MANY, name="many, late", specs=(Spec(kills="late"), Spec()))
#: One that takes its process along each time, beside an innocent one.
MANY_POISON = replace(
    MANY, name="many, poison", specs=POISON_CHILD.specs, budget=Budget(twice=1, early=1)
)
#: A worker that is told to stop.
MANY_STOP = replace(MANY_LATE, name="many, stop", budget=Budget(stop=1))
#: A result that is stale beside one that is not: gathered into one transaction.
MANY_STALE = replace(
    MANY,
    name="many, stale",
    specs=(Spec(), PLAIN),
    queued=(0,),
    enqueues=(1,),
    budget=Budget(stall=1),
)
#: A process that can't settle what has ended in it.
MANY_UNFIT = replace(
    MANY, name="many, unfit", specs=(PLAIN, Spec()), budget=Budget(unfit=1, child=1)
)
#: Who may be called lost, with a clock.
HEARTBEAT = Heartbeat(faults=1)
#: What is taken back behind a long job.
HALTING = Halting()
#: How a plain message gets a child off the line.
CALL_OFF = CallOff()
#: Whom a hard limit on a loop charges.
LOOP = Loop()
#: A job that waits for two groups, and how those close.
WAITS = Flow("flow of jobs", faults=Faults(lost=1, again=1))
WAITS_GROWS = Flow("flow, grows", grows=True, faults=Faults(worker=1, failover=1), dispatchers=1)
WAITS_RETRY = Flow("flow, retry", faults=Faults(dies=1, retry=1, cancel=1), dispatchers=1)
WAITS_GOES_ON = Flow("flow, goes on", goes_on=True, faults=Faults(dies=1, retry=1), dispatchers=1)


def _more(model, **faults):
    return replace(model, budget=model.budget._replace(**faults))


SMALL = (
    FLOW,
    DISPATCHERS,
    SLEEP,
    FAILOVER,
    ANSWERS,
    ONCE,
    UNIQUE,
    UNIQUE_FAULTS,
    LOCK,
    POISON_CHILD,
    POISON_WORKER,
    OPERATOR,
    CUTS,
    LINE,
    LINE_CALM,
    LINE_SLEEP,
    LINE_CLAIM,
    MANY,
    MANY_LIMIT,
    MANY_LATE,
    MANY_POISON,
    MANY_STOP,
    MANY_STALE,
    MANY_UNFIT,
    HEARTBEAT,
    HALTING,
    CALL_OFF,
    LOOP,
    WAITS,
    WAITS_GROWS,
    WAITS_RETRY,
    WAITS_GOES_ON,
)
FULL = (
    _more(FLOW, dispatcher=1),
    _more(DISPATCHERS, twice=1),
    _more(SLEEP, stall=2, twice=0),
    _more(FAILOVER, failover=2, stall=1, child=0),
    _more(ANSWERS, child=1, failover=1),
    _more(ONCE, worker=1, answer=1, failover=0),
    _more(UNIQUE, child=1),
    _more(UNIQUE_FAULTS, child=1, revive=0),
    _more(LOCK, child=1),
    _more(POISON_CHILD, flush=1, dispatcher=1),
    _more(POISON_WORKER, flush=1, dispatcher=1),
    _more(OPERATOR, failover=1, pause=0, release=1),
    _more(CUTS, failover=2, child=1),
    replace(LINE, specs=(Spec(), PLAIN), queued=(0,), enqueues=(1,)),
    replace(LINE_CALM, specs=(Spec(), PLAIN, Spec()), enqueues=(1, 2)),
    _more(LINE_SLEEP, silent=1, twice=1),
    _more(LINE_CLAIM, failover=1),
    replace(_more(MANY, flush=1, twice=1), bells=2),
    _more(MANY_LIMIT, child=1),
    replace(
        _more(MANY_LATE, child=0), specs=(*MANY_LATE.specs, Spec(kills="limit")), queued=(0, 1, 2)
    ),
    replace(
        _more(MANY_POISON, twice=0, early=0),
        specs=(*MANY_POISON.specs, MANY_POISON.specs[0]),
        queued=(0, 1, 2),
    ),
    _more(MANY_STOP, worker=1),
    _more(MANY_STALE, failover=1),
    _more(MANY_UNFIT, stall=1, child=0),
    Heartbeat(faults=2),
    HALTING,
    CallOff(children=3, messages=3, doorbells=2, deaths=1),
    LOOP,
    replace(WAITS, faults=Faults(lost=1, crash=1, again=1, failover=1)),
    replace(WAITS_GROWS, faults=Faults(worker=1), dispatchers=2),
    replace(WAITS_RETRY, dispatchers=2),
    replace(WAITS_GOES_ON, dispatchers=2),
)
