"""Calling a child off the open line: no plain message waits while a child stands idle there.

A small world of its own, like `halting.py`: one worker's parent and its children, plain messages
(or doorbells, or canaries: whatever Celery brings), and between them a pipe with bytes in it that
every child watches. To Celery a child on the line is in a task: a message that no child of the
pool is free for waits with the parent. Jobs and plain tasks may be as long as they like, so what
must not happen is asked of each world, not only of how it ends.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from tests.model.explore import STUCK

IDLE = "the line: no plain message waits while a child stands idle there"


class Watch(NamedTuple):
    """What the parent and its children do; every default is the design."""

    watches: bool = True  # a child that waits watches the pipe, not only before it offers
    calls_blindly: bool = True  # the parent calls whether or not it sees a child on the line
    calls_for_all: bool = True  # it writes a byte for each message that waits, not for the last
    withdraws_first: bool = True  # a child withdraws its place, and takes the byte if it may go


DESIGN = Watch()


class Child(IntEnum):
    """Where a child stands."""

    POOL = 0  # Celery's: free for any message
    TASK = 1  # it runs a plain task
    JOB = 2  # it answers a doorbell
    TURN = 3  # it has answered one, and offers a place next, or leaves
    WAITING = 4  # on the line, with a place and an empty mailbox
    MAILED = 5  # on the line, with a doorbell in its mailbox
    SEEN = 6  # it has seen that a byte is in the pipe; its place is still there
    SEEN_MAILED = 7
    WITHDRAWN = 8  # it has no place any more, and takes the byte if that is still there
    CALLED = 9  # a mutant's: it has taken the byte, and its place is still there
    CALLED_MAILED = 10
    LEAVING = 11  # it has taken the byte, and goes back to the pool


#: Where a doorbell may be put into the mailbox, and what the child is then.
MAILBOXES = {
    Child.WAITING: Child.MAILED,
    Child.SEEN: Child.SEEN_MAILED,
    Child.CALLED: Child.CALLED_MAILED,
}
#: Who is in the pool, or there before any job or task.
SOON = (Child.POOL, Child.LEAVING, Child.CALLED, Child.CALLED_MAILED)


class Now(NamedTuple):
    """Everything at one instant; children have no names."""

    children: tuple
    to_come: int  # plain messages
    doorbells: int
    deaths: int
    waiting: int = 0  # messages that the parent has, and no child was free for
    bytes: int = 0  # in the pipe


@dataclass(frozen=True)
class CallOff:
    """A configuration; every child begins in a doorbell."""

    name: str = "call off"
    rules: Watch = DESIGN
    children: int = 2
    messages: int = 2
    doorbells: int = 1
    deaths: int = 0

    @property
    def bound(self):
        """The bound in words."""
        there = {
            "children": self.children,
            "plain messages": self.messages,
            "doorbells": self.doorbells,
            "deaths": self.deaths,
        }
        return ", ".join(f"{count} {what}" for what, count in there.items() if count)

    @property
    def initial(self):
        """All children are in their first doorbell, and no message has come."""
        return Now((Child.JOB,) * self.children, self.messages, self.doorbells, self.deaths)

    def moves(self, now):
        """Yield (label, world after, fair)."""
        yield from _parent(now, self.rules)
        for child in dict.fromkeys(now.children):
            yield from _child(now, self.rules, child)
            if now.deaths:
                dead = _to(now, child, Child.POOL)._replace(deaths=now.deaths - 1)
                yield f"a child dies ({child.name}), and another begins", dead, False

    def broken(self, now):
        """Return the invariant that `now` breaks, or nothing."""
        called = now.bytes + sum(child in SOON for child in now.children)
        return IDLE if now.waiting > called and Child.WAITING in now.children else ""

    def done(self, now):
        """Return whether all messages were taken."""
        return not now.to_come and not now.waiting


def _to(now, child, then):
    children = list(now.children)
    children[children.index(child)] = then
    return now._replace(children=tuple(sorted(children)))


def _parent(now, rules):
    """A message comes: a free child gets it, or one is called off."""
    if Child.POOL in now.children and now.waiting:
        yield "a free child takes a message", _take(now), True
    elif now.to_come:
        come = now._replace(to_come=now.to_come - 1, waiting=now.waiting + 1)
        come = _take(come) if Child.POOL in now.children else come
        yield "a message comes", come._replace(bytes=_calls(come, rules)), True


def _take(now):
    return _to(now, Child.POOL, Child.TASK)._replace(waiting=now.waiting - 1)


def _calls(now, rules):
    """Empty the pipe, and write anew; return how many bytes are in it then."""
    if not rules.calls_blindly and not any(child in MAILBOXES for child in now.children):
        return 0
    return now.waiting if rules.calls_for_all else min(now.waiting, 1)


def _child(now, rules, child):
    match child:
        case Child.TASK:
            yield "a plain task ends", _to(now, child, Child.POOL), True
        case Child.JOB:
            yield "a doorbell is answered", _to(now, child, Child.TURN), True
        case Child.TURN:
            yield from _turn(now, rules)
        case Child.MAILED | Child.SEEN_MAILED | Child.CALLED_MAILED:
            yield "a child takes what lies in its mailbox", _to(now, child, Child.JOB), True
        case Child.WAITING if now.bytes and rules.watches and rules.withdraws_first:
            yield "a child sees a byte", _to(now, child, Child.SEEN), True
        case Child.WAITING if now.bytes and rules.watches:
            yield "a child takes a byte", _byte(now, child, Child.CALLED), True
        case Child.SEEN:
            yield "a child withdraws its place", _to(now, child, Child.WITHDRAWN), True
        case Child.WITHDRAWN if now.bytes:
            yield "a child takes a byte", _byte(now, child, Child.LEAVING), True
        case Child.WITHDRAWN:
            yield "a child finds the byte gone", _to(now, child, Child.TURN), True
        case Child.CALLED | Child.LEAVING:
            yield "a child leaves", _to(now, child, Child.POOL), True
    if now.doorbells and child in MAILBOXES:
        handed = now._replace(doorbells=now.doorbells - 1)
        yield "a doorbell is put into its mailbox", _to(handed, child, MAILBOXES[child]), False


def _byte(now, child, then):
    return _to(now._replace(bytes=now.bytes - 1), child, then)


def _turn(now, rules):
    """Between two doorbells; a mutant looks at the pipe here alone."""
    if now.bytes and not rules.watches:
        yield "a child takes a byte before it offers", _byte(now, Child.TURN, Child.POOL), True
    yield "a child offers its place", _to(now, Child.TURN, Child.WAITING), True
    yield "a child leaves", _to(now, Child.TURN, Child.POOL), True


#: Each with where it is caught.
MUTANTS = (
    (CallOff("a child looks at the pipe before it offers only", Watch(watches=False)), STUCK),
    (
        CallOff("the parent calls where it sees a child on the line", Watch(calls_blindly=False)),
        IDLE,
    ),
    (CallOff("the parent calls for the last message alone", Watch(calls_for_all=False)), IDLE),
    (
        CallOff("a child takes the byte, then withdraws its place", Watch(withdraws_first=False)),
        IDLE,
    ),
)
