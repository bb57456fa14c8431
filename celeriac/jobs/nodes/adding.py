"""Adding to flows: nodes and members as rows, in the caller's transaction.

Who adds to what is there already locks it: a group that is open, or waits, can't be closed before
the members of this transaction are seen. From inside a job the claim is the fence, and is held
(`CurrentJob.hold`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs import metrics, nudge
from celeriac.jobs.enqueueing import insert
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.nodes.closing import close_after_commit, unblock_jobs
from celeriac.jobs.nodes.states import IfDead, NodeState
from celeriac.jobs.states import State

_SHARE = f"""
SELECT n.id, n.state, n.if_dead, f.cancel_requested_at IS NOT NULL
FROM {tables.NODE} n JOIN {tables.NODE} f ON f.id = n.flow
WHERE n.id = ANY(%(ids)s::uuid[]) ORDER BY n.id FOR SHARE OF n
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What a node is while this transaction keeps it from being closed."""

    state: NodeState
    if_dead: IfDead
    #: Whether its whole flow was cancelled.
    cancelled: bool


def hold_nodes(ids: Iterable[UUID]) -> dict[UUID, Held]:
    """Keep nodes from being closed until the transaction ends; return what each is."""
    rows = fetch_rows(_SHARE, {"ids": sorted(ids)})
    return {node: Held(NodeState(state), IfDead(dead), gone) for node, state, dead, gone in rows}


def write_members(drafts: Iterable[Draft], node_id: UUID, state: NodeState) -> int:
    """Write the members of a node, a statement for a thousand; return how many.

    Where a unique key binds, they are unblocked one after the other with all others of their key.
    """
    waits = state is NodeState.WAITING
    count, keyed, chunk = 0, False, []
    for draft in drafts:
        keyed = keyed or draft.unique_key is not None
        behind = waits or draft.unique_key is not None
        draft.node, draft.state = node_id, State.WAITING if behind else State.QUEUED
        chunk.append(draft)
        if len(chunk) == insert.ROWS:
            count += _write(chunk)
            chunk = []
    count += _write(chunk)
    if keyed and not waits and not unblock_jobs([node_id]):
        close_after_commit([node_id])
    return count


def _write(drafts: Sequence[Draft]) -> int:
    if not drafts:
        return 0
    soonest = insert.insert_members(drafts)
    queued = [draft for draft in drafts if draft.state == State.QUEUED]
    metrics.count_enqueued([(draft.kind, draft.queue) for draft in drafts])
    for place in {(draft.queue, draft.priority) for draft in queued}:
        nudge.nudge_after_commit(queue=place[0], priority=place[1], run_at=soonest)
    return len(drafts)
