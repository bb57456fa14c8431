"""Celery runs what the ledger rings. Names follow Celery's settings with a CELERY_ prefix."""

from typing import Any

from celeriac.celery.defaults import TRANSPORT_OPTIONS
from celeriac.core import broker
from celeriac.core.environment import env

BROKER_URL = env.str("BROKER_URL", default="redis://localhost:6379/0")

CELERY_BROKER_URL = broker.celery_url(BROKER_URL)
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    **TRANSPORT_OPTIONS,
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
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
#: Schedules are declared beside their jobs (`@job(…, schedule=…)`); entries here work, too.
CELERY_BEAT_SCHEDULER = "celeriac.celery.beat:DatabaseScheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {}
