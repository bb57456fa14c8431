"""The ledger: queues, limits, leases, and what is wired into it."""

import os
from pathlib import Path
from typing import Any

from celeriac.core.environment import env


def slot_directory() -> Path:
    """Return where slots lie by default: a place that no cleaner of temporary files visits.

    systemd's StateDirectory, else /var/lib for root, else the user's own state.
    """
    given = env.str("STATE_DIRECTORY", default="").split(":")[0]
    if given:
        return Path(given) / "slots"
    state = env.str("XDG_STATE_HOME", default="")
    if not state.startswith("/"):
        state = str(Path(os.path.expanduser("~"), ".local/state"))
    if os.geteuid() == 0 or not state.startswith("/"):
        state = "/var/lib"
    return Path(state) / "celeriac" / "slots"


#: Every queue that a job may name. Values are options of the queue's row.
JOBS_QUEUES: dict[str, dict[str, Any]] = {
    "default": {},
    "payments": {},
    "notifications": {},
    "callbacks": {},
    "maintenance": {},
}
#: Modules whose import declares kinds; every process loads them in the app's ready().
JOBS_MODULES: list[str] = ["tasks.payments", "tasks.notifications"]
#: What the dispatcher rings with.
JOBS_PUBLISHER = "celeriac.celery.publisher.CeleryPublisher"
#: Where nudges go.
JOBS_NUDGE_URL = env.str("BROKER_URL", default="redis://localhost:6379/0")

JOBS_MAX_ARGS_BYTES = 256 * 1024
JOBS_MAX_RESULT_BYTES = 1024 * 1024
#: Where workers keep the memory that they share with their children. Never where a cleaner of
#: temporary files comes, nor what a stop or a logout removes: the next worker reads it.
JOBS_SLOT_DIRECTORY = env.str("JOBS_SLOT_DIRECTORY", default=str(slot_directory()))
#: Seconds.
JOBS_HEARTBEAT_SECONDS = env.float("JOBS_HEARTBEAT_SECONDS", default=5.0)
JOBS_WORKER_LEASE_SECONDS = env.float("JOBS_WORKER_LEASE_SECONDS", default=20.0)
JOBS_QUEUE_LEASE_SECONDS = env.float("JOBS_QUEUE_LEASE_SECONDS", default=10.0)
JOBS_SHUTDOWN_GRACE_SECONDS = env.float("JOBS_SHUTDOWN_GRACE_SECONDS", default=30.0)
JOBS_LOCK_TIMEOUT_SECONDS = env.float("JOBS_LOCK_TIMEOUT_SECONDS", default=2.0)
#: Seconds of work after which a doorbell releases what it has not started.
JOBS_DOORBELL_BUDGET_SECONDS = 1.0
JOBS_RETENTION_DAYS = 14
#: Where a job's trace can be seen, such as `https://traces.example/trace/{trace_id}`.
JOBS_TRACE_URL = env.str("JOBS_TRACE_URL", default="")
