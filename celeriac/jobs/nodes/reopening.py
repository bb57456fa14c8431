"""Reopening: an operator's retry of a dead member opens what its death closed, and no more.

Its group is open again, a generation later. Members that had been cancelled for that death, and
what had waited for the group, wait again; what had been unblocked already stays as it is.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from celeriac.core.queries import execute, fetch_row, fetch_rows
from celeriac.jobs.nodes import sql
from celeriac.jobs.nodes.closing import (
    close_after_commit,
    set_nodes,
    unblock_jobs,
    waiting_moves,
)
from celeriac.jobs.nodes.states import FINISHED, UNRUN, NodeDecision, NodeState

_OPEN = NodeDecision(NodeState.OPEN)


def reopen_nodes_of(jobs: Mapping[UUID, UUID | None]) -> None:
    """Open what the ends of jobs closed that are queued again; each with its own group, if any.

    Also the groups of those whose places they took.
    """
    replaced = {node for (node,) in fetch_rows(sql.REPLACED, {"ids": list(jobs)})}
    reopen_nodes([*replaced.union(node for node in jobs.values() if node is not None)])


def reopen_nodes(nodes: Sequence[UUID]) -> None:
    """Open nodes anew of which a member was queued again, in the transaction that did that.

    What is around them opens from the inside outwards, and is locked in that order.
    """
    around: set[UUID] = set()
    for node_id in sorted(nodes):
        row = fetch_row(sql.LOCK, {"id": node_id})
        if row is None:
            continue
        _, state, parent, _ = row
        if NodeState(state) in FINISHED:
            set_nodes([(node_id, NodeState(state), _OPEN)], anew=True)
        else:
            execute(sql.NOTE, {"id": node_id, "because": "", "substitute": None})
        if state != NodeState.WAITING:
            bring_back([node_id], [node_id])
        reopen_followers([node_id])
        around |= {parent} if parent else set()
    if around:
        _reopen_around(around)


def _reopen_around(flows: set[UUID]) -> None:
    reopened = []
    for node_id in sorted(flows):
        row = fetch_row(sql.LOCK, {"id": node_id})
        if row is not None and NodeState(row[1]) in FINISHED:
            reopened.append(node_id)
    if reopened:
        reopen_nodes(reopened)


def reopen_followers(nodes: Sequence[UUID]) -> None:
    """Let wait, or start, what was cancelled for these nodes, and what was for those in turn."""
    ids = list(nodes)
    while ids:
        found = waiting_moves(ids, within=ids, states=UNRUN)
        moves = [each for each in found if each[2].state not in FINISHED]
        if not moves:
            return
        moved = set_nodes(moves, anew=True)
        opened = [n for n, _, now in moves if n in moved and now.state is NodeState.OPEN]
        bring_back(list(moved), opened)
        ids = list(moved)


def bring_back(nodes: Sequence[UUID], opened: Sequence[UUID]) -> None:
    """Let members wait again that were cancelled for others; those of `opened` nodes start."""
    execute(sql.BRING_BACK, {"ids": list(nodes)})
    unblock_jobs(opened)
    close_after_commit(opened)
