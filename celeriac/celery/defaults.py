"""What the ledger asks of Celery's settings. What a project's own settings say wins."""

from typing import Any

#: Of every app: only what nothing about a plain task depends on. Its transport options,
#: acknowledgements, prefetch, limits, logging and beat are the project's, or Celery's own defaults.
DEFAULTS: dict[str, Any] = {"worker_consumer": "celeriac.celery.consumer:SharedConsumer"}

#: For an app whose tasks are all jobs: a doorbell is worthless, so nothing needs acknowledging.
TRANSPORT_OPTIONS: dict[str, Any] = {
    "ack_emulation": False,
    "socket_timeout": 5,
    # A broker that comes back is met within a second or two: each try is a short one.
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
}
#: The rest for such an app: `app.add_defaults(LEDGER_ALONE)` in its celery.py.
LEDGER_ALONE: dict[str, Any] = {
    "worker_consumer": "celeriac.celery.consumer:LedgerConsumer",
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_acquire_timeout": 5,
    "broker_transport_options": TRANSPORT_OPTIONS,
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "beat_scheduler": "celeriac.celery.beat:DatabaseScheduler",
    # The Django fixup would close the connection around every task; children check theirs.
    "CELERY_DB_REUSE_MAX": 1_000_000_000,
}
