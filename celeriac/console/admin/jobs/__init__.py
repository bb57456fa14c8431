"""The ledger in the admin: read-only, and an action for each thing that may be done."""

from celeriac.console.admin.jobs.attempts import AttemptAdmin as AttemptAdmin
from celeriac.console.admin.jobs.jobs import JobAdmin as JobAdmin
from celeriac.console.admin.jobs.queues import QueueAdmin as QueueAdmin
from celeriac.console.admin.jobs.routes import RouteAdmin as RouteAdmin
from celeriac.console.admin.jobs.workers import WorkerAdmin as WorkerAdmin
