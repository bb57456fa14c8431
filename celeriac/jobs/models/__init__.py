"""The ledger's tables."""

from celeriac.jobs.models.attempt import Attempt
from celeriac.jobs.models.dispatcher import Dispatcher
from celeriac.jobs.models.job import Job
from celeriac.jobs.models.jobkey import JobKey
from celeriac.jobs.models.queue import Queue
from celeriac.jobs.models.searchterm import SearchTerm
from celeriac.jobs.models.worker import Sign, Worker

__all__ = ["Attempt", "Dispatcher", "Job", "JobKey", "Queue", "SearchTerm", "Sign", "Worker"]
