"""What an operator does to a whole flow: cancel it, retry who died, let a group go on."""

from typing import Any
from uuid import UUID

from celeriac.core import audit, tables
from celeriac.core.clock import NOW
from celeriac.core.queries import fetch_row, fetch_rows
from celeriac.flows.handle import find_flow
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.errors import FlowNotFound, TransitionRefused
from celeriac.jobs.models import Node
from celeriac.jobs.nodes import sql
from celeriac.jobs.nodes.closing import call_off, close_after_commit, set_nodes
from celeriac.jobs.nodes.reopening import reopen_followers, reopen_nodes
from celeriac.jobs.nodes.states import BAD, FINISHED, Form, IfDead, NodeDecision, NodeState
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.operating.operate import act_on_jobs
from celeriac.jobs.states import FAILED, UNFINISHED, State

_BATCH = 1_000
_MEMBERS = f"""
SELECT j.id FROM {tables.JOB} j
WHERE j.node = ANY(ARRAY(SELECT n.id FROM {tables.NODE} n WHERE n.flow = %(flow)s))
  AND j.node IS NOT NULL AND j.state = ANY(%(states)s) AND j.id > %(after)s
  AND j.superseded_by IS NULL AND (j.state <> 'cancelled' OR j.wait_reason <> '{sql.MARK}')
ORDER BY j.id LIMIT {_BATCH}
"""
_LOCK_OPEN = f"""
SELECT n.id, n.state, n.form FROM {tables.NODE} n
WHERE n.flow = %(flow)s AND n.id <> n.flow AND n.state IN ('waiting', 'open')
ORDER BY n.id FOR UPDATE
"""
_ASK = f"""
UPDATE {tables.NODE} SET cancel_requested_at = {NOW} WHERE id = %(flow)s AND closed_at IS NULL
RETURNING id
"""


def cancel_flow(flow_id: UUID, *, actor: Any = None, reason: str = "") -> int:
    """Cancel what of a flow has not ended; return how many jobs that were cancelled or asked.

    What waits ends at once and never runs, nor does what waits for a death.

    Raises:
        FlowNotFound: there is no such flow.
        TransitionRefused: it has ended.
        EnqueueBusy: somebody else holds its rows.
    """
    find_flow(flow_id)
    because = f"the flow was cancelled: {reason}" if reason else "the flow was cancelled"
    with bounded_wait(f"the flow {flow_id}"):
        nodes = fetch_rows(_LOCK_OPEN, {"flow": flow_id})
        if fetch_row(_ASK, {"flow": flow_id}) is None:
            raise TransitionRefused(f"The flow {flow_id} has ended: there is nothing to cancel.")
        ended = [
            (node, NodeState(state), NodeDecision(NodeState.CANCELLED, because))
            for node, state, form in nodes
            if state == NodeState.WAITING or form == Form.EVENT
        ]
        if ended:
            set_nodes(ended)
            call_off([(node, because) for node, _, _ in ended], (State.WAITING,))
        count = _act("cancel", flow_id, UNFINISHED, reason)
        _record("flow.cancel", flow_id, actor, reason, count)
        close_after_commit([flow_id, *(node for node, _, _ in nodes)])
    return count


def retry_flow(flow_id: UUID, *, actor: Any = None, reason: str = "") -> int:
    """Queue the dead and cancelled members of a flow again; return how many.

    What their deaths closed is opened anew, and what waited for them waits again.

    Raises:
        FlowNotFound: there is no such flow.
        EnqueueBusy: somebody else holds its rows.
    """
    find_flow(flow_id)
    with bounded_wait(f"the flow {flow_id}"):
        count = _act("retry", flow_id, FAILED, reason)
        _reopen_events(flow_id)
        _record("flow.retry", flow_id, actor, reason, count)
    return count


def let_go_on(node_id: UUID, *, actor: Any = None, reason: str = "") -> None:
    """Let what waits for a group run, although members died, as with `if_dead="go_on"`.

    Raises:
        FlowNotFound: there is no such group.
        TransitionRefused: nobody has died there.
        EnqueueBusy: somebody else holds its row.
    """
    with bounded_wait(f"the group {node_id}"):
        row = fetch_row(sql.LOCK, {"id": node_id})
        if row is None:
            raise FlowNotFound(f"There is no group {node_id}.")
        state = NodeState(row[1])
        if state in FINISHED.difference(BAD) | {NodeState.WAITING}:
            raise TransitionRefused(f"The group {node_id} is {state}: nobody has died there.")
        Node.objects.filter(pk=node_id).update(if_dead=IfDead.GO_ON)
        if state in FINISHED:
            if row[2] is not None:
                _reopen_around(row[2])
            reopen_followers([node_id])
        _record("flow.go_on", row[3], actor, reason, 1, {"group": str(node_id)})
        close_after_commit([node_id, row[3]])


def _reopen_around(flow_id: UUID) -> None:
    """Open a flow that had ended, for what is to run in it."""
    row = fetch_row(sql.LOCK, {"id": flow_id})
    if row is not None and NodeState(row[1]) in FINISHED:
        reopen_nodes([flow_id])


def _reopen_events(flow_id: UUID) -> None:
    """Wait again for events that did not come in time or were cancelled."""
    ended = Node.objects.filter(flow=flow_id, form=Form.EVENT, state=NodeState.CANCELLED)
    nodes = sorted(ended.filter(opened_at__isnull=False).values_list("id", flat=True))
    if nodes:
        reopen_nodes(nodes)


def _act(verb: str, flow_id: UUID, states: tuple[State, ...], reason: str) -> int:
    """Do it to all members in these states, a thousand at a time."""
    count, named = 0, {"flow": flow_id, "states": [state.value for state in states]}
    after = UUID(int=0)
    while rows := fetch_rows(_MEMBERS, {**named, "after": after}):
        ids = [row[0] for row in rows]
        count += len(act_on_jobs(ACTIONS[verb], ids, {}, reason=reason))
        after = ids[-1]
    return count


def _record(
    what: str, flow_id: UUID, actor: Any, reason: str, count: int, details: Any = None
) -> None:
    if actor is not None:
        audit.record(
            what, "flow", flow_id, actor=actor, reason=reason, count=count, details=details or {}
        )
