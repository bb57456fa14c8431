"""The life of a flow's nodes. Pure: no Django, no clock, no database.

A node waits until each of its edges holds, is open while its members may run, and ends once all
of them have. What can no longer hold ends it without a run of any of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class NodeState(StrEnum):
    """What a node's row says; each names what moves it on."""

    #: Waits for others; moved on by their end.
    WAITING = "waiting"
    #: Its members may run; closed by whoever sees that all have ended.
    OPEN = "open"
    #: All members succeeded, or the event came; final.
    SUCCEEDED = "succeeded"
    #: A member died; opened anew by an operator's retry.
    DEAD = "dead"
    #: A member was cancelled, or what it waited for has died; opened anew by a retry.
    CANCELLED = "cancelled"
    #: What it was for did not happen, such as a death; no failure.
    SKIPPED = "skipped"


class Form(StrEnum):
    """What a node is."""

    FLOW = "flow"
    GROUP = "group"
    EVENT = "event"


class IfDead(StrEnum):
    """What follows from the death of a member."""

    #: Members that have not started are cancelled, and so is what waits for all of them.
    STOP = "stop"
    #: All others run, and what waits runs, too.
    GO_ON = "go_on"
    #: All others run, then it stays open until somebody decides.
    WAIT = "wait"


class EdgeCondition(StrEnum):
    """How a node has to end so that what follows may run."""

    #: As its own `if_dead` says.
    DONE = "done"
    SUCCEEDED = "succeeded"
    ENDED = "ended"
    DIED = "died"
    #: Of the flow around it, while it is open.
    INSIDE = "inside"


FINISHED = frozenset({NodeState.SUCCEEDED, NodeState.DEAD, NodeState.CANCELLED, NodeState.SKIPPED})
#: Ends in which something failed.
BAD = tuple(sorted(FINISHED - {NodeState.SUCCEEDED, NodeState.SKIPPED}))
#: Ends without a run.
UNRUN = (NodeState.CANCELLED, NodeState.SKIPPED)


def listed_states(states: Iterable[str]) -> str:
    """Return states as SQL has them: `('dead', 'cancelled')`."""
    return f"({', '.join(f"'{state}'" for state in states)})"


@dataclass(frozen=True, slots=True)
class Before:
    """One edge of a node, seen from there."""

    condition: EdgeCondition
    state: NodeState
    if_dead: IfDead = IfDead.STOP
    name: str = ""
    because: str = ""
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """What becomes of a node that waits."""

    state: NodeState
    because: str = ""


def decide_node(edges: Iterable[Before]) -> NodeDecision:
    """Return what becomes of a node by all its edges, in whatever order those were decided.

    It is cancelled as soon as one fails for a death. Where one fails because nobody needs the
    node, others might still fail for a death: it is skipped once only events are left to come.
    """
    waits, might_fail, skipped = False, False, None
    for edge in edges:
        holds = _holds(edge)
        if holds is None:
            waits, might_fail = True, might_fail or not edge.is_event
        elif not holds:
            decision = _failed(edge)
            if decision.state is NodeState.CANCELLED:
                return decision
            skipped = skipped or decision
    if skipped is not None and not might_fail:
        return skipped
    return NodeDecision(NodeState.WAITING if waits else NodeState.OPEN)


def _holds(edge: Before) -> bool | None:
    """Return whether an edge holds, None while nobody can say."""
    if edge.condition is EdgeCondition.INSIDE:
        return None if edge.state is NodeState.WAITING else edge.state is NodeState.OPEN
    if edge.state not in FINISHED:
        return None
    match edge.condition:
        case EdgeCondition.ENDED:
            return True
        case EdgeCondition.DIED:
            return edge.state in BAD
        case EdgeCondition.SUCCEEDED:
            return edge.state is NodeState.SUCCEEDED
        case _:
            goes_on = edge.if_dead is IfDead.GO_ON and edge.state in BAD
            return edge.state is NodeState.SUCCEEDED or goes_on


def _failed(edge: Before) -> NodeDecision:
    if edge.condition is EdgeCondition.DIED or edge.state is NodeState.SKIPPED:
        return NodeDecision(NodeState.SKIPPED, edge.because or f"{edge.name} did not die")
    return NodeDecision(NodeState.CANCELLED, edge.because or f"{edge.name} is {edge.state}")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the rows of an open node say of its members, all of one moment."""

    form: Form
    if_dead: IfDead
    #: Whether any may still run; a job or a node.
    unfinished: bool = False
    #: Who ended dead or cancelled, and as what: dead before cancelled; "" for nobody.
    failed: str = ""
    failed_state: str = ""
    #: Whether that has been acted upon.
    is_told: bool = False
    #: Of an event: whether it came, whether its time is over, and what then.
    came: bool = False
    overdue: bool = False
    goes_on: bool = False


def close_of(look: NodeFacts) -> NodeDecision | None:
    """Return how a node ends, None while it does not."""
    if look.form is Form.EVENT:
        return _close_of_event(look)
    if look.unfinished:
        return None
    if not look.failed:
        return NodeDecision(NodeState.SUCCEEDED)
    if look.if_dead is IfDead.WAIT:
        return None
    return NodeDecision(NodeState(look.failed_state), look.failed)


def stops(look: NodeFacts) -> bool:
    """Return whether members that have not started shall not start any more."""
    return bool(look.failed) and look.if_dead is IfDead.STOP and look.unfinished


def _close_of_event(look: NodeFacts) -> NodeDecision | None:
    if look.came or (look.overdue and look.goes_on):
        return NodeDecision(NodeState.SUCCEEDED)
    return (
        NodeDecision(NodeState.CANCELLED, "the event did not come in time")
        if look.overdue
        else None
    )
