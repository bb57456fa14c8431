"""The ledger in the control room: read-only, and a verb for each thing that may be done."""

from apps.jobs.admin.attempts import AttemptAdmin
from apps.jobs.admin.jobs import JobAdmin
from apps.jobs.admin.queues import QueueAdmin
from apps.jobs.admin.workers import WorkerAdmin

__all__ = ["AttemptAdmin", "JobAdmin", "QueueAdmin", "WorkerAdmin"]
