"""The life of a job, as one table. Pure: no Django, no clock, no database.

A job is in one of six states; a verb moves it along an edge of `EDGES`, and
nothing else does. `scheduled`, `retrying` and `parked` are how people read a
queued row (see `view`), not states.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a job's row says; each names what moves it on."""

    #: Waits for other jobs or an event of its flow; moved on by what closes those, or a cancel.
    WAITING = "waiting"
    #: Waits for its run_at and a claim; moved on by claim, cancel, expire or supersede.
    QUEUED = "queued"
    #: Owned by one claim; moved on by its owner, or by the rescuer once the owner is lost.
    RUNNING = "running"
    #: Ended well; final.
    SUCCEEDED = "succeeded"
    #: Ended badly; moved on by an operator's retry only.
    DEAD = "dead"
    #: Ended by wish, by expiry or by a newer job; moved on by an operator's retry only.
    CANCELLED = "cancelled"


class Verb(StrEnum):
    """What moves a job along an edge."""

    ENQUEUE = "enqueue"
    ENQUEUE_BEHIND = "enqueue_behind"  # others of its flow
    UNBLOCK = "unblock"  # what it waited for has ended
    CLAIM = "claim"
    COMPLETE = "complete"
    RETRY = "retry"  # by the engine: a failure with runs left
    SNOOZE = "snooze"
    RELEASE = "release"
    RESCUE = "rescue"
    GIVE_UP = "give_up"
    STOP = "stop"  # a cancel honoured by the handler, or overtaking another ending
    SUPERSEDE = "supersede"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REVIVE = "revive"  # an operator's retry
    REOPEN = "reopen"  # by a retry of what it was cancelled for


@dataclass(frozen=True, slots=True)
class Ending:
    """A terminal state, and what it is to others; a new one is a new row of `ENDINGS`."""

    state: State
    #: What Celery calls it.
    celery: str
    #: How the sentence of a job's page looks, and the state in a list.
    tone: str
    label: str
    #: Whether the job then has what its handler returned; else who waits for it gets an error.
    has_result: bool = False
    #: Whether a kind that keeps nothing keeps it all the same.
    is_kept: bool = False


ENDINGS = (
    Ending(State.SUCCEEDED, "SUCCESS", tone="good", label="success", has_result=True),
    Ending(State.DEAD, "FAILURE", tone="bad", label="danger", is_kept=True),
    Ending(State.CANCELLED, "REVOKED", tone="idle", label="warning"),
)
TERMINAL = frozenset(ending.state for ending in ENDINGS)
#: Endings that brought nothing about.
FAILED = tuple(ending.state for ending in ENDINGS if not ending.has_result)
#: What may still come to something.
UNFINISHED = tuple(state for state in State if state not in TERMINAL)

#: (from, verb) -> to. None is "not there yet".
EDGES: dict[tuple[State | None, Verb], State] = {
    (None, Verb.ENQUEUE): State.QUEUED,
    (None, Verb.ENQUEUE_BEHIND): State.WAITING,
    (State.WAITING, Verb.UNBLOCK): State.QUEUED,
    (State.WAITING, Verb.CANCEL): State.CANCELLED,
    (State.QUEUED, Verb.CLAIM): State.RUNNING,
    (State.RUNNING, Verb.COMPLETE): State.SUCCEEDED,
    (State.RUNNING, Verb.RETRY): State.QUEUED,
    (State.RUNNING, Verb.SNOOZE): State.QUEUED,
    (State.RUNNING, Verb.RELEASE): State.QUEUED,
    (State.RUNNING, Verb.RESCUE): State.QUEUED,
    (State.RUNNING, Verb.GIVE_UP): State.DEAD,
    (State.RUNNING, Verb.STOP): State.CANCELLED,
    (State.RUNNING, Verb.SUPERSEDE): State.CANCELLED,
    (State.QUEUED, Verb.CANCEL): State.CANCELLED,
    (State.QUEUED, Verb.EXPIRE): State.CANCELLED,
    (State.DEAD, Verb.REVIVE): State.QUEUED,
    (State.CANCELLED, Verb.REVIVE): State.QUEUED,
    (State.CANCELLED, Verb.REOPEN): State.WAITING,
}


@dataclass(frozen=True, slots=True)
class Counters:
    """The three counters of a job (docs/architecture.md, invariant 6)."""

    attempt: int = 0
    failures: int = 0
    losses: int = 0


#: What each verb adds to attempt, failures, losses; REVIVE resets the last two instead.
_COUNTS: dict[Verb, tuple[int, int, int]] = {
    Verb.CLAIM: (1, 0, 0),
    Verb.RETRY: (0, 1, 0),
    Verb.RELEASE: (-1, 0, 0),  # it never started: back as if never claimed
    Verb.RESCUE: (0, 0, 1),
}


def allows(state: State | None, verb: Verb) -> bool:
    """Return whether `verb` has an edge from `state`."""
    return (state, verb) in EDGES


def after(state: State | None, verb: Verb) -> State:
    """Return the state that `verb` leads to; KeyError where no edge stands."""
    return EDGES[(state, verb)]


def sources(verb: Verb) -> tuple[State, ...]:
    """Return the states from which `verb` has an edge."""
    return tuple(state for state in State if allows(state, verb))


def count(counters: Counters, verb: Verb) -> Counters:
    """Return the counters after `verb` (a final failure or loss is counted by its caller)."""
    if verb is Verb.REVIVE:
        return Counters(attempt=counters.attempt)
    attempt, failures, losses = _COUNTS.get(verb, (0, 0, 0))
    return Counters(
        counters.attempt + attempt, counters.failures + failures, counters.losses + losses
    )


def overtaken_by_cancel(verb: Verb, *, cancel_requested: bool) -> Verb:
    """Return the verb that ends a run: any but `complete` becomes `stop` once a cancel is asked."""
    return Verb.STOP if cancel_requested and verb is not Verb.COMPLETE else verb


def view(state: State, *, due: bool, attempt: int, parked: bool) -> str:
    """Return what people call it: the state, or scheduled, retrying or parked."""
    if state is not State.QUEUED:
        return state.value
    if parked:
        return "parked"
    if attempt:
        return "retrying"
    return "queued" if due else "scheduled"
