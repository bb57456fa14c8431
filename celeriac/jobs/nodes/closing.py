"""Closing: nodes whose members have ended are closed, and what waited for them is unblocked.

Whoever is told, or finds out, that a node may be closed does it: a dispatcher, the child that
settled the only member, a sweep. Each node in a transaction of its own:

1. Lock the node. Who adds to it, retries a member or closes it waits, or is waited for.
2. Look: has each member ended? No look before the lock counts, and none but this one decides.
3. Close: from open to how it ended, in one compare-and-set.
4. Lock what waits for it; read all edges of those, and unblock or cancel those that are decided,
   and what waits for those in turn.
5. After the commit look at what is around it, and at what was opened and has no job of its own.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from celeriac.core.queries import execute, fetch_row
from celeriac.core.sqlstates import violates
from celeriac.jobs import metrics, nudge, registry
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.models.job import UNIQUE_KEY_QUEUED
from celeriac.jobs.nodes import sql
from celeriac.jobs.nodes.states import (
    Before,
    EdgeCondition,
    Form,
    IfDead,
    NodeDecision,
    NodeFacts,
    NodeState,
    close_of,
    decide_node,
    stops,
)
from celeriac.jobs.open_line import MOST_HANDED, FreshJob
from celeriac.jobs.running import prepared
from celeriac.jobs.states import State

logger = logging.getLogger(__name__)

#: How often a member's unique key may be queued anew between a look and a write.
_RACES = 5


@dataclass(slots=True)
class Changes:
    """What one transaction did to nodes: which are worth a look once it is committed."""

    closed: int = 0
    look_at: set[UUID] = field(default_factory=set)


def close_nodes(ids: Iterable[UUID]) -> int:
    """Close those of the nodes that have ended, and whatever ends with them; return how many.

    An event is named by its own id.

    Raises:
        EnqueueBusy: somebody else holds a row for too long; what is closed by then stays closed.
    """
    closed, asked = 0, set(ids)
    while asked:
        ready = prepared.fetch_rows(sql.PROBE, {"ids": list(asked)})
        asked = set()
        for (node_id,) in ready:
            changes = close_node(node_id)
            closed += changes.closed
            asked |= changes.look_at
    return closed


def close_node(node_id: UUID) -> Changes:
    """Close a node if all its members have ended, in a transaction of its own."""
    for race in range(_RACES):
        try:
            with bounded_wait(f"the group {node_id}"):
                return _close_node(node_id)
        except IntegrityError as error:
            if not violates(error, UNIQUE_KEY_QUEUED) or race == _RACES - 1:
                raise
    return Changes()


def _close_node(node_id: UUID) -> Changes:
    row = next(iter(prepared.fetch_rows(sql.LOCK, {"id": node_id})), None)  # 1
    if row is None or row[1] != NodeState.OPEN:
        return Changes()
    look, substitute = look_at_node(node_id)  # 2
    if stops(look) and not look.is_told:
        _stop_members(node_id, look.failed)
        look, substitute = look_at_node(node_id)
    decision = close_of(look)
    if decision is None:
        execute(sql.NOTE, {"id": node_id, "because": look.failed, "substitute": substitute})
        return Changes()
    changes = Changes()
    follow_nodes([(node_id, NodeState.OPEN, decision)], changes)  # 3, 4
    return changes


def look_at_node(node_id: UUID) -> tuple[NodeFacts, UUID | None]:
    """Return what the rows say of an open node, and which job it waits for in a member's place."""
    [row] = prepared.fetch_rows(sql.LOOK, {"id": node_id})
    form, if_dead, unfinished, failed, superseded, told, came, overdue, goes_on = row
    look = NodeFacts(
        Form(form),
        IfDead(if_dead),
        unfinished,
        is_told=told,
        came=came,
        overdue=overdue,
        goes_on=goes_on,
    )
    if failed is not None:
        look = replace(look, failed=_named(*failed), failed_state=failed[2])
    if unfinished or not superseded:
        return look, None
    found = fetch_row(sql.SUBSTITUTES, {"id": node_id})
    if found is None:
        return look, None
    job_id, kind, state, lives = found
    if lives:
        return replace(look, unfinished=True), job_id
    return replace(look, failed=_named(str(job_id), kind, state), failed_state=state), None


def _named(job_id: str, name: str, state: str) -> str:
    who = f"job {job_id} ({name})" if job_id else name
    return f"{who} {'died' if state == State.DEAD else 'was cancelled'}"


def _stop_members(node_id: UUID, because: str) -> None:
    call_off([(node_id, because)], (State.WAITING, State.QUEUED))
    execute(sql.NOTE, {"id": node_id, "because": because, "substitute": None})


def follow_nodes(moves: Sequence[tuple[UUID, NodeState, NodeDecision]], changes: Changes) -> None:
    """Move nodes, and what waits for them, as far as that is decided: (id, state before, after)."""
    while moves:
        moved = set_nodes(moves)
        states = {node: decision.state for node, _, decision in moves if node in moved}
        decided = {node: decision for node, _, decision in moves if node in moved}
        over = [node for node, state in states.items() if state is not NodeState.OPEN]
        opened = [node for node, state in states.items() if state is NodeState.OPEN]
        unrun = [n for n, before, _ in moves if before is NodeState.WAITING and n in over]
        flows = [node for node, (_, form) in moved.items() if form == Form.FLOW]
        changes.closed += len(over)
        changes.look_at |= {parent for node in over if (parent := moved[node][0])}
        call_off([(node, decided[node].because) for node in unrun], (State.WAITING,))
        freed = unblock_jobs(opened)
        changes.look_at |= set(opened) - freed
        moves = waiting_moves(over, within=flows)


def set_nodes(
    moves: Sequence[tuple[UUID, NodeState, NodeDecision]], *, anew: bool = False
) -> dict[UUID, tuple[UUID | None, str]]:
    """Write nodes that are in the state in which they were seen; return parent and form of each."""
    rows = prepared.fetch_rows(
        sql.SET,
        {
            "ids": [node for node, _, _ in moves],
            "befores": [before.value for _, before, _ in moves],
            "states": [decision.state.value for _, _, decision in moves],
            "becauses": [decision.because for _, _, decision in moves],
            "anew": [int(anew)] * len(moves),
        },
    )
    return {node: (parent, form) for node, parent, _, form in rows}


def waiting_moves(
    ids: Sequence[UUID],
    *,
    within: Sequence[UUID] = (),
    states: Collection[NodeState] = (NodeState.WAITING,),
) -> list[tuple[UUID, NodeState, NodeDecision]]:
    """Lock what is in `states` behind or inside of nodes; return what is decided of it by now."""
    if not ids and not within:
        return []
    named = {"ids": list(ids), "within": list(within), "states": [each.value for each in states]}
    found = {node: NodeState(state) for node, state in prepared.fetch_rows(sql.FOLLOWERS, named)}
    if not found:
        return []
    edges: dict[UUID, list[Before]] = defaultdict(list)
    for node, condition, state, if_dead, *said in prepared.fetch_rows(
        sql.EDGES, {"ids": list(found)}
    ):
        before = Before(EdgeCondition(condition), NodeState(state), IfDead(if_dead), *said)
        edges[node].append(before)
    decisions = [(node, state, decide_node(edges[node])) for node, state in found.items()]
    return [each for each in decisions if each[2].state is not each[1]]


def call_off(nodes: Sequence[tuple[UUID, str]], states: Collection[State]) -> None:
    """Cancel members that have not started, each because of what is said of its node."""
    if not nodes:
        return
    ids, becauses = zip(*nodes, strict=True)
    named = {"ids": list(ids), "becauses": list(becauses), "states": [s.value for s in states]}
    metrics.count_callbacks(fetch_row(sql.CALL_OFF, named)[1])


def unblock_jobs(nodes: Sequence[UUID]) -> set[UUID]:
    """Let the members of nodes start; return the nodes of which any will."""
    if not nodes:
        return set()
    rows = prepared.fetch_rows(sql.UNBLOCK, {"ids": list(nodes)})
    queued = [row for row in rows if row[6] == State.QUEUED]
    metrics.count_callbacks(sum(row[9] is not None for row in rows))
    _tell(queued)
    return {row[7] for row in queued}


def _tell(rows: Sequence[tuple[Any, ...]]) -> None:
    """Hand jobs over that may start at once, or tell the dispatchers of them."""
    soonest: dict[tuple[str, int], float] = {}
    for index, (job_id, kind, queue, priority, run_at, lock, _, _, later, _) in enumerate(rows):
        moment = run_at.timestamp()
        if lock is None and not later and index < MOST_HANDED:
            circuit = registry.get_or_default(kind).breaker or ""
            fresh = FreshJob(job_id, kind, queue, priority, moment, circuit)
            nudge.hand_over_after_commit(fresh)
        else:
            place = (queue, priority)
            soonest[place] = min(moment, soonest.get(place, moment))
    for (queue, priority), moment in soonest.items():
        nudge.nudge_after_commit(queue=queue, priority=priority, run_at=moment)


def close_after_commit(nodes: Iterable[UUID]) -> None:
    """Tell the dispatchers, once the open transaction commits, that nodes may be closed."""
    nudge.nudge_nodes(nodes=list(nodes))


def close_soon(own: Sequence[UUID], shared: Collection[UUID]) -> None:
    """See to nodes of which members have just ended: `own` have that one member alone.

    Those are closed here and now, the others by a dispatcher. It never raises: what can't be done
    now a dispatcher does, or a sweep.
    """
    left = list(shared)
    try:
        if own and not transaction.get_connection().in_atomic_block:
            close_nodes(own)
        else:
            left += own
    except Exception:
        logger.warning("groups could not be closed at once: %s", own, exc_info=True)
        left += own
    if left:
        nudge.nudge_nodes(nodes=left)
