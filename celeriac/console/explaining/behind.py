"""What a job of a flow waits for: others, or an event."""

from datetime import datetime

from celeriac.console.explaining.facts import Facts
from celeriac.core.queries import fetch_rows
from celeriac.jobs.nodes import sql
from celeriac.jobs.nodes.states import Form, NodeState
from celeriac.jobs.phrases import Step, Wait, clock_time, count


def waiting_reasons_of(facts: Facts) -> list[Wait]:
    """Return every part of its flow that the job waits for."""
    rows = fetch_rows(sql.AHEAD, {"id": facts.job.node})
    return [_wait(*row) for row in rows] or [
        Wait("flow", "waits for its turn in its flow", because=False)
    ]


def _wait(
    name: str, form: str, state: str, because: str, deadline: datetime | None, left: int, size: int
) -> Wait:
    if form == Form.EVENT:
        until = f", until {clock_time(deadline)}" if state == NodeState.OPEN and deadline else ""
        return Wait("flow", f"waits for the event {name}{until}", because=False)
    if form == Form.FLOW:
        return Wait("flow", f"waits for the flow {name}", because=False)
    if because and not left:
        steps = (Step("Retry the dead of that group, or let it go on without them.", verb="Retry"),)
        return Wait("flow", f"waits for {name}, where {because}", because=False, steps=steps)
    text = f"waits for {left} of {count(size, 'job')} of {name}"
    return Wait("flow", f"{text}; {because}" if because else text, because=False)
