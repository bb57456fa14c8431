"""The ledger's tables."""

from apps.jobs.models.attempt import Attempt
from apps.jobs.models.dispatcher import Dispatcher
from apps.jobs.models.job import Job
from apps.jobs.models.jobkey import JobKey
from apps.jobs.models.queue import Queue
from apps.jobs.models.searchterm import SearchTerm
from apps.jobs.models.worker import Sign, Worker

__all__ = ["Attempt", "Dispatcher", "Job", "JobKey", "Queue", "SearchTerm", "Sign", "Worker"]
