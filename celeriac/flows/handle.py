"""A handle: what a caller keeps of a flow; each question asks the ledger."""

from dataclasses import dataclass, field
from uuid import UUID

from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs.errors import FlowNotFound
from celeriac.jobs.models import Node
from celeriac.jobs.nodes.states import NodeState

_COUNTS = f"""
SELECT j.state, count(*) FROM {tables.JOB} j
WHERE j.node = ANY(ARRAY(SELECT n.id FROM {tables.NODE} n WHERE n.flow = %s)) AND j.node IS NOT NULL
GROUP BY j.state ORDER BY j.state
"""


@dataclass(frozen=True, slots=True)
class FlowHandle:
    """A flow by its id. `replayed`: its name and key were there already when it was declared."""

    id: UUID
    replayed: bool = field(default=False, compare=False)

    @property
    def node(self) -> Node:
        """The flow's own row.

        Raises:
            FlowNotFound: it was pruned, or never committed.
        """
        return find_flow(self.id)

    @property
    def state(self) -> NodeState:
        """The flow's state now.

        Raises:
            FlowNotFound: it was pruned, or never committed.
        """
        return NodeState(self.node.state)

    def counts(self) -> dict[str, int]:
        """Return how many of its jobs are in each state."""
        return dict(fetch_rows(_COUNTS, [self.id]))


def find_flow(flow_id: UUID) -> Node:
    """Return the row of a flow.

    Raises:
        FlowNotFound: there is none of that id.
    """
    node = Node.objects.flows().filter(pk=flow_id).first()
    if node is None:
        raise FlowNotFound(f"There is no flow {flow_id}: it was pruned, or never committed.")
    return node
