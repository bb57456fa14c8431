"""Beginning a flow, adding to the one that a job is in, and emitting events."""

from typing import Any, Unpack
from uuid import UUID

from celeriac.core.ids import uuid7
from celeriac.flows.declaring import Flow
from celeriac.flows.parts import FlowPart
from celeriac.jobs.enqueueing.draft import EnqueueOptions
from celeriac.jobs.enqueueing.enqueue import check_transaction
from celeriac.jobs.errors import FlowNotFound, InvalidOption
from celeriac.jobs.models import Node
from celeriac.jobs.nodes.events import write_emission
from celeriac.jobs.nodes.states import Form, IfDead, NodeState
from celeriac.jobs.running.current import CurrentJob, current_job

_LONGEST = 255


def flow(name: str, *, key: str | None = None, **options: Unpack[EnqueueOptions]) -> Flow:
    """Declare a flow in a `with` block, which `f.add`, `f.group` and `f.event` fill.

    At the block's end it is written, in the caller's transaction, all or nothing. The same `name`
    and `key` again is the same flow, and writes nothing (`f.replayed`). `options` are those of
    `celeriac.enqueue`, for each of its jobs that does not say otherwise.

    Raises:
        InvalidOption: the name or the key is no text of 1 to 255 characters.
    """
    for what, text in (("name", name), ("key", "-" if key is None else key)):
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST or "\0" in text:
            raise InvalidOption(f"A flow's {what} is text of 1 to {_LONGEST}, not {text!r:.60}.")
    declared = Flow(FlowPart(name, Form.FLOW, state=NodeState.OPEN, id=uuid7()), key=key)
    declared.options = dict(options)
    return declared


class ExtendedFlow(Flow):
    """A flow that is there already, while one of its jobs adds to it."""

    def __init__(self, job: CurrentJob, root: Node, own: Node) -> None:
        super().__init__(_written(root, None), own=None)
        self._job, self.own = job, _written(own, self._root)

    def part(self, name: str) -> FlowPart:
        """Return a part of the flow by its name, to wait for it or to add members to it.

        Raises:
            FlowNotFound: it has no part of that name.
        """
        found = Node.objects.filter(flow=self.id, name=name).exclude(pk=self.id).first()
        if found is None:
            raise FlowNotFound(f"The flow {self.id} has no part {name!r}.")
        return _written(found, self._root)

    def _begin_writing(self) -> None:
        """Keep the claim: what a lost run adds is refused."""
        self._job.hold()


def grow_flow() -> ExtendedFlow:
    """Return the flow that the running job is a member of, to add to it in a `with` block.

    What it adds is written in the job's transaction, or in one of its own, while the job is this
    run's alone. `own` is the job's own group: `f.add_to(f.own, kind, list_of_args)`.

    Raises:
        NoCurrentJob: this is no handler.
        FlowNotFound: the job is no member of a flow.
    """
    job = current_job()
    own = Node.objects.filter(pk=job.node).first() if job.node else None
    if own is None:
        raise FlowNotFound(f"Job {job.id} is no member of a flow: begin one with flow().")
    return ExtendedFlow(job, Node.objects.get(pk=own.flow), own)


def emit(name: str, *, key: str, payload: Any = None, by: str = "") -> bool:
    """Emit an event, in the open transaction: once that commits, what waits for it goes on.

    The first of a name and key counts: return whether this one was it. One that comes before
    anybody waits is kept. `payload` (JSON) is its `Result`; `by` says who emitted it.

    Raises:
        InvalidOption: name, key or payload does not fit.
        EnqueueBusy: another transaction emits it, and takes too long.
        WrongTransaction: the open transaction is another database's.
    """
    check_transaction(detached=False)
    return write_emission(name, key, payload, by=by)


def _written(node: Node, parent: FlowPart | None) -> FlowPart:
    part = FlowPart(node.name, Form(node.form), IfDead(node.if_dead), parent=parent)
    part.id, part.state, part.is_written = UUID(str(node.id)), NodeState(node.state), True
    return part
