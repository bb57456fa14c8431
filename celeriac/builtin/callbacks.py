"""The job that tells a receiver how another job ended; the ledger itself enqueues it."""

from typing import Any

from celeriac.celery.base import job
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.callbacks import sql
from celeriac.jobs.running.current import current_job
from celeriac.settings import conf


# Full jitter: 20 attempts take some 17 hours in the mean, the first five a minute or two.
@job(
    sql.KIND,
    queue=sql.QUEUE,
    retry=Backoff(max_attempts=conf.CALLBACK_MAX_ATTEMPTS, base=5, cap=4 * 3600, floor=1),
    timeout=60,
    hard_timeout=120,
)
def send_callback(url: str, event: dict[str, Any]) -> int:
    """POST the event to the URL; return the status that its receiver answered with."""
    from celeriac.jobs.callbacks.deliver import deliver_callback  # brings an HTTP client

    return deliver_callback(url=url, event=event, event_id=current_job().id)
