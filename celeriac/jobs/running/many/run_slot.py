"""A slot: room for one job of those that a process runs at the same time."""

from dataclasses import dataclass
from uuid import UUID

from celeriac.jobs.running.run import Run
from celeriac.jobs.running.worker_context import WorkerContext


@dataclass(slots=True, eq=False)
class RunSlot:
    """One slot: its context has the part of the journal that is its own."""

    number: int
    context: WorkerContext
    run: Run | None = None
    #: Whether its run could not be settled: it is left to the journal, for the parent.
    is_stuck: bool = False

    def open(self, claim_id: UUID, job_id: UUID) -> None:
        """Note that a claim of the job is about to be made."""
        self.context.journal.open(claim_id, [job_id])

    def close(self) -> None:
        """Note that nothing of it is left to do."""
        self.run = None
        self.context.journal.close()
