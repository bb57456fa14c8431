"""Celery runs what the ledger rings. Names follow Celery's settings with a CELERY_ prefix."""

from typing import Any

from celeriac.core import broker
from celeriac.core.environment import env

BROKER_URL = env.str("BROKER_URL", default="redis://localhost:6379/0")

CELERY_BROKER_URL = broker.celery_url(BROKER_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 5
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    # A doorbell is worthless: the ledger rings again, so nothing needs acknowledging.
    "ack_emulation": False,
    "socket_timeout": 5,
    # A broker that comes back is met within a second or two: each try is a short one.
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    **broker.celery_options(BROKER_URL),
}
# Plain tasks leave results; jobs of the ledger are never remembered by Celery
# (celeriac/celery/base.py).
CELERY_TASK_TRACK_STARTED = False
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "plain"
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
CELERY_WORKER_CONSUMER = "celeriac.celery.consumer:LedgerConsumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
# The Django fixup would close the connection around every task; children check theirs instead.
CELERY_DB_REUSE_MAX = 1_000_000_000
CELERY_BEAT_SCHEDULER = "celeriac.celery.beat:DatabaseScheduler"
#: Schedules are declared beside their jobs (`@job(…, schedule=…)`); entries here work, too.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {}
