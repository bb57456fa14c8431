"""Taking back what has not started behind a long job: nothing is both started and taken back.

A small world of its own, since the steps are smaller than those of the other model: a child that
is at one job after another, its parent, and between them the slot: records by the child, and a
sign by the parent. Each reads what the other writes, without a lock.
"""

from dataclasses import dataclass
from typing import NamedTuple

BOTH = "6 no job is started that its parent takes back"


class Halt(NamedTuple):
    """What the two do, in which order; every default is the design."""

    notes_first: bool = True  # the child notes a start, then looks at the sign
    signs_first: bool = True  # the parent gives the sign, then reads the records
    names_claim: bool = True  # the sign names the claim that it is for


DESIGN = Halt()


class Now(NamedTuple):
    """Everything at one instant: claim 1 has jobs; the second one's start is in question."""

    claim: int = 1  # the claim that the child is at
    noted: bool = False  # the records say that the job starts
    saw: int = 0  # what the child saw of the sign: 0 not yet, 1 nothing, 2 the sign
    started: bool = False
    sign: int = 0  # the claim that the sign is for; 9: whatever claim there is
    read: int = 0  # what the parent read: 0 not yet, 1 no start, 2 a start
    taken_back: bool = False
    broken: str = ""


@dataclass(frozen=True)
class Halting:
    """A configuration."""

    name: str = "halting"
    rules: Halt = DESIGN

    @property
    def bound(self):
        """The bound in words."""
        return "1 child, 1 parent, 2 claims, 1 job each behind a long one"

    @property
    def initial(self):
        """The long job is about to end, and the doorbell's time is over."""
        return Now()

    def moves(self, now):
        """Yield (label, world after, fair)."""
        yield from _child(now, self.rules)
        if now.claim == 1:
            yield from _parent(now, self.rules)

    def broken(self, now):
        """Return the invariant that `now` breaks, or nothing."""
        return BOTH if now.started and now.taken_back and now.claim == 1 else now.broken

    def done(self, now):
        """Return whether the next claim's job has started."""
        return now.claim == 2 and now.started


def _child(now, rules):
    if now.started:
        if now.claim == 1:
            yield "the child settles, and claims again", _next_claim(now), True
        return
    if not now.noted and (rules.notes_first or now.saw):
        yield "the child notes the start", now._replace(noted=True), True
    if not now.saw and (now.noted or not rules.notes_first):
        halted = now.sign in (now.claim, 9)
        yield "the child looks at the sign", now._replace(saw=2 if halted else 1), True
    if now.noted and now.saw == 1:
        yield "the child starts the job", now._replace(started=True), True
    if now.saw == 2 and now.claim == 1:
        yield "the child leaves the job, and claims again", _next_claim(now), True


def _next_claim(now):
    return Now(claim=2, sign=now.sign)


def _parent(now, rules):
    if not now.sign and (rules.signs_first or now.read):
        yield "the parent gives the sign", now._replace(sign=1 if rules.names_claim else 9), True
    if not now.read and (now.sign or not rules.signs_first):
        yield "the parent reads the records", now._replace(read=2 if now.noted else 1), True
    if now.sign and now.read == 1 and not now.taken_back:
        yield "the parent takes the job back", now._replace(taken_back=True), True


BASE = Halting()
MUTANTS = (
    Halting("the child looks at the sign before it notes a start", Halt(notes_first=False)),
    Halting("the parent reads the records before it gives the sign", Halt(signs_first=False)),
    Halting("the sign names no claim", Halt(names_claim=False)),
)
