"""Writing a flow: its parts in order, as nodes, edges and jobs, in the open transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from celeriac.core import clock, context
from celeriac.flows.parts import FlowPart
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.errors import FlowClosed
from celeriac.jobs.models import Node, NodeEdge
from celeriac.jobs.nodes.adding import Held, hold_nodes, write_members
from celeriac.jobs.nodes.closing import close_after_commit
from celeriac.jobs.nodes.states import (
    FINISHED,
    Before,
    EdgeCondition,
    Form,
    NodeState,
    decide_node,
)

_BATCH = 1_000


def write_flow(
    root: FlowPart,
    parts: Sequence[FlowPart],
    extended: Sequence[tuple[FlowPart, Iterable[Draft]]],
    *,
    key: str | None = None,
    options: dict[str, Any] | None = None,
) -> bool:
    """Write parts, each after what it waits for; return False where the flow is there already."""
    moment = clock.db_now()
    if not (root.is_written or _write_root(root, key, options or {}, moment)):
        return False
    parts = [part for part in parts if not part.is_written and part is not root]
    _hold_written(root, parts, extended)
    for part in parts:
        part.state = _begin(part)
    _write_nodes(root, parts, moment)
    idle = [part.id for part in (root, *parts) if not _write_part(part)]
    for part, drafts in extended:
        assert part.id is not None  # noqa: S101 it is written
        write_members(drafts, part.id, part.state)
    close_after_commit([node for node in idle if node is not None])
    return True


def _write_root(root: FlowPart, key: str | None, options: dict[str, Any], moment: datetime) -> bool:
    """Write the flow itself; one of the same name and key that is there already takes its place."""
    root.state = NodeState.OPEN
    node = _node(root, root, moment)
    node.key, node.tenant = key, options.get("tenant") or ""
    node.enqueued_by = options.get("enqueued_by") or ""
    node.correlation_id = context.correlation_id() or str(root.id)
    if key is None:
        node.save(force_insert=True)
        return True
    with bounded_wait(f"the flow {root.name!r} of key {key!r}"):
        Node.objects.bulk_create([node], ignore_conflicts=True)
    root.id = Node.objects.values_list("id", flat=True).get(name=root.name, key=key)
    return root.id == node.id


def _hold_written(
    root: FlowPart, parts: Sequence[FlowPart], extended: Sequence[tuple[FlowPart, Iterable[Draft]]]
) -> None:
    """Lock what is there already and is added to or waited for: the flow around it last."""
    named = {end.part for part in parts for end in part.edges} | {part for part, _ in extended}
    named |= {part.parent for part in parts if part.parent is not None}
    there = {part.id: part for part in named if part.is_written and part.id}
    outer = {root.id: root} if root.is_written and root.id else {}
    inner = {node: part for node, part in there.items() if node != root.id}
    for group in (inner, outer):
        for node, held in hold_nodes(group).items():
            group[node].state, group[node].if_dead = held.state, held.if_dead
            if node == root.id or any(group[node] is part for part, _ in extended):
                _require_open(group[node], held)


def _require_open(part: FlowPart, held: Held) -> None:
    if held.cancelled:
        raise FlowClosed(f"Nothing can be added to {part.name}: its flow was cancelled.")
    if held.state in FINISHED:
        raise FlowClosed(f"Nothing can be added to {part.name}: it is {held.state} already.")


def _begin(part: FlowPart) -> NodeState:
    """Return how a part begins: what it waits for may have ended, where that was there already."""
    edges = [
        Before(end.condition, end.part.state, end.part.if_dead, end.part.name) for end in part.edges
    ]
    if part.parent is not None:
        edges.append(Before(EdgeCondition.INSIDE, part.parent.state, name=part.parent.name))
    decision = decide_node(edges)
    if decision.state in FINISHED:
        raise FlowClosed(f"{part.name} could never run: {decision.because}.")
    return decision.state


def _write_nodes(root: FlowPart, parts: Sequence[FlowPart], moment: datetime) -> None:
    Node.objects.bulk_create((_node(part, root, moment) for part in parts), batch_size=_BATCH)
    edges = {
        (part.id, before, end.condition): NodeEdge(
            before=before, after=part.id, condition=end.condition
        )
        for part in parts
        for end in part.edges
        if part.id is not None and (before := end.part.id) is not None
    }
    NodeEdge.objects.bulk_create(edges.values(), batch_size=_BATCH)


def _node(part: FlowPart, root: FlowPart, moment: datetime) -> Node:
    assert part.id is not None and root.id is not None  # noqa: S101, PT018 given before
    is_open = part.state is NodeState.OPEN
    return Node(
        id=part.id,
        flow=root.id,
        parent=None if part.parent is None else part.parent.id,
        name=part.name,
        form=part.form,
        state=part.state,
        if_dead=part.if_dead,
        because="",
        delay=part.delay,
        event=part.event,
        event_key=part.event_key,
        timeout=part.timeout,
        deadline=_deadline(part, moment) if is_open else None,
        goes_on=part.goes_on,
        facts=part.facts,
        opened_at=moment if is_open else None,
        created_at=moment,
    )


def _deadline(part: FlowPart, moment: datetime) -> datetime | None:
    return None if part.timeout is None else moment + timedelta(seconds=part.timeout)


def _write_part(part: FlowPart) -> bool:
    """Write its members; return whether it is busy, so that its end will be told of."""
    if part.is_written:
        return True
    part.is_written = True
    if part.form is Form.GROUP and part.id is not None:
        count = write_members(part.members(), part.id, part.state)
        return count > 0 or part.state is not NodeState.OPEN
    return part.state is not NodeState.OPEN
