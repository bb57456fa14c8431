"""Liveness with a clock: who may be called lost, and when.

A second, smaller world for what `dispatchers._rescue` takes for granted there: a
claim is called lost only when its worker is. One worker with one child, one
dispatcher, the Worker row between them. The unit of time is a beat (5 s); the
clock stops at `HORIZON`. An awake thread that has the database beats within each
unit, and an awake child settles what it has finished within one.
"""

from dataclasses import dataclass
from typing import NamedTuple

LEASE = 2  # a worker is stale when its beat is older; a dispatcher's own, too
LIMIT = 1  # a handler has returned by then, or its parent kills it
HARD = 2  # the limit with the doorbell's budget and the grace
HORIZON = 8
WRONGED = "6 nobody is charged who beats, or could not for want of the database"


class Beats(NamedTuple):
    """What the rescue reads, by its conditions; every default is the design."""

    own_lease: bool = True  # (1) a dispatcher waits a lease after its own database outage
    sleep_is_a_break: bool = True  # and after its own sleep
    slot_first: bool = True  # (2) the slot is told of a claim before the claim statement
    two_beats: bool = True  # (2) compares the claim with the beat before the look, not after it
    acknowledged: bool = True  # which is the last one that the database answered to the thread
    first_has_none: bool = True  # so that a worker's first beat knows of none before it
    hard_own_lease: bool = True  # (3) waits for the dispatcher's own lease as well
    signs: bool = (
        True  # (1) a worker whose row somebody locks gives a sign that needs no lock on it
    )


DESIGN = Beats()


class Row(NamedTuple):
    """The Worker row: when it last beat, when before, and whether it listed the claim."""

    beat: int = -1  # -1: the worker has not beaten yet, there is no row
    previous: int = -1  # the beat that the thread knew of when it looked
    lists: bool = False


class Now(NamedTuple):
    """Everything at one instant."""

    clock: int = 0
    database: bool = True
    asleep: bool = False  # the machine of worker and dispatcher is suspended
    steady_since: int = 0  # the dispatcher has had the database without a break since
    row: Row = Row()
    locked: bool = False  # somebody's lock keeps the row from being written
    sign: int = -1  # the sign of life beside it
    beaten: bool = False  # the thread has beaten in this unit
    answered: int = -1  # the database's time of the last beat whose answer the thread has
    look: tuple = ()  # (did the slot have the claim?, `answered` before that), not sent yet
    late: tuple = ()  # a beat that the thread gave up on and the server may still apply
    slot: bool = False  # the child holds the claim
    claimed: int = -1  # started_at of the running row; -1: not running
    finished: bool = False  # its handler has returned
    faults: int = 2
    broken: str = ""


@dataclass(frozen=True)
class Heartbeat:
    """A configuration: so many faults of any sort within the horizon."""

    name: str = "heartbeat"
    rules: Beats = DESIGN
    faults: int = 2

    @property
    def bound(self):
        """The bound in words."""
        return f"1 job, 1 worker, 1 dispatcher, {HORIZON} beats, {self.faults} faults of any sort"

    @property
    def initial(self):
        """A worker that has just started, and a job that is queued."""
        return Now(faults=self.faults)

    def moves(self, now):
        """Yield (label, world after, fair)."""
        if now.clock < HORIZON and not _must_act(now):
            passed = now._replace(clock=now.clock + 1, beaten=False)
            yield "a beat's time passes", passed, True
        if now.faults:
            yield from _faults(now, self.rules)
        if not now.database:
            yield "the database is back", _back(now), True
        if now.locked:
            yield "the lock on the workers' table ends", now._replace(locked=False), True
        if now.asleep:
            yield "the machine wakes up", _wake(now, self.rules), True
            return
        yield from _child(now, self.rules)
        if now.database:
            yield from _thread(now, self.rules)
            yield from _rescue(now, self.rules)

    def broken(self, now):
        """Return the invariant that `now` breaks, or nothing."""
        return now.broken

    def done(self, now):
        """Return whether the horizon is reached (liveness is the other model's)."""
        return now.clock == HORIZON


def _must_act(now):
    """Return whether someone awake has to beat or settle before the clock moves on."""
    if now.asleep or not now.database:
        return False
    return not now.beaten or (now.finished and now.claimed >= 0)


def _faults(now, rules):
    spent = now._replace(faults=now.faults - 1)
    if now.database:
        yield "the database is away", spent._replace(database=False), False
    if not now.asleep:
        yield "the machine is suspended", spent._replace(asleep=True), False
    if now.database and not now.locked:
        yield "somebody locks the workers' table", spent._replace(locked=True), False
    if now.look and not now.late and now.database and not now.locked:
        hung = spent._replace(late=now.look, look=())
        yield "a beat hangs in the server, the thread gives it up", hung, False
        unsure = _apply(spent, now.look, rules)
        yield "a beat is applied, its answer lost, it is sent again", unsure, False
        yield "a beat is applied, its answer lost", unsure._replace(look=()), False


def _back(now):
    return now._replace(database=True, steady_since=now.clock, late=(), beaten=False, locked=False)


def _wake(now, rules):
    since = now.clock if rules.sleep_is_a_break else now.steady_since
    return now._replace(asleep=False, steady_since=since, beaten=False)


def _apply(now, look, rules):
    lists, answered = look
    previous = answered if rules.acknowledged else now.row.beat
    if now.row.beat < 0 and not rules.first_has_none:
        previous = now.clock
    return now._replace(row=Row(now.clock, previous, lists))


def _thread(now, rules):
    """Look at the slot, then write the Worker row: two steps, and the claim may fall between."""
    if now.late and not now.locked:
        landed = _apply(now, now.late, rules)
        yield "the hung beat lands", landed._replace(late=()), True
    if not now.look:
        seen = now._replace(look=(now.slot, now.answered))
        yield "the thread looks at the slot", seen, True
    elif not now.beaten and now.locked:
        sign = now.clock if rules.signs else now.sign
        given = now._replace(sign=sign, look=(), answered=-1, beaten=True)
        yield "the thread can't beat, and gives a sign", given, True
    elif not now.beaten:
        beat = _apply(now, now.look, rules)
        yield "the thread beats", beat._replace(look=(), answered=now.clock, beaten=True), True


def _child(now, rules):
    """Tell the slot, claim, run, settle."""
    if now.claimed < 0 and not now.finished:
        if now.slot == rules.slot_first and now.database:
            yield "the child claims", now._replace(claimed=now.clock), True
        if rules.slot_first and not now.slot:
            yield "the child tells the slot", now._replace(slot=True), True
    if now.claimed >= 0 and not now.slot:
        yield "the child tells the slot at last", now._replace(slot=True), True
    if now.claimed >= 0 and not now.finished and now.clock - now.claimed <= LIMIT:
        yield "the handler returns", now._replace(finished=True), True
    if now.claimed >= 0 and now.finished and now.database:
        yield "the child settles", now._replace(claimed=-1, slot=False), True


def _rescue(now, rules):
    """The three conditions; whoever meets one here lives, holds its claim, and is wronged."""
    if now.claimed < 0:
        return
    steady = now.clock - now.steady_since > LEASE
    heard = max(now.row.beat, now.sign, now.claimed if now.row.beat < 0 else -1)
    stale = now.clock - heard > LEASE and (steady or not rules.own_lease)
    beats = now.row.previous if rules.two_beats else now.row.beat
    dropped = now.row.beat >= 0 and now.claimed < beats and not now.row.lists
    over = now.clock - now.claimed > HARD and (steady or not rules.hard_own_lease)
    wronged = now._replace(broken=WRONGED)
    if stale:
        yield "a dispatcher calls the worker lost (1)", wronged, True
    if dropped:
        yield "a dispatcher calls the claim dropped (2)", wronged, True
    if over and now.finished:
        yield "a dispatcher calls the job over its hard limit (3)", wronged, True


BASE = Heartbeat()
MUTANTS = tuple(
    Heartbeat(name, Beats(**{rule: False}))
    for name, rule in (
        ("rescue without the dispatcher's own lease", "own_lease"),
        ("a dispatcher's sleep is no break of its lease", "sleep_is_a_break"),
        ("the slot is told after the claim", "slot_first"),
        ("one beat without the claim is enough", "two_beats"),
        ("the row's own last beat, not the one answered", "acknowledged"),
        ("a first beat that counts for two", "first_has_none"),
        ("hard limit without the dispatcher's own lease", "hard_own_lease"),
        ("no sign of life while the worker's row is locked", "signs"),
    )
)
