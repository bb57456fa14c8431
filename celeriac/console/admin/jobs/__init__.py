"""The ledger in the admin: read-only, and an action for each thing that may be done."""

from celeriac.console.admin.jobs.attempts import AttemptAdmin
from celeriac.console.admin.jobs.jobs import JobAdmin
from celeriac.console.admin.jobs.queues import QueueAdmin
from celeriac.console.admin.jobs.workers import WorkerAdmin

__all__ = ["AttemptAdmin", "JobAdmin", "QueueAdmin", "WorkerAdmin"]
