"""The job that hands a message of Django's to the mail server."""

from typing import Any
from uuid import UUID

from celeriac.celery.base import job
from celeriac.jobs.backoff import Backoff
from celeriac.mail.enqueue import KIND
from celeriac.mail.send import BREAKER, MessageGone, send_message
from celeriac.settings import conf


# The row decides: each may run any number of times.
@job(
    KIND,
    queue=conf.MAIL_QUEUE,
    lock="celeriac.mail:{message_id}",
    breaker=BREAKER,
    retry=Backoff(max_attempts=12, base=2, cap=900, give_up_on=(MessageGone,)),
    timeout=60,
    search=("message_id",),
)
def send_mail(message_id: UUID) -> dict[str, Any]:
    """Hand a message to the mail server."""
    row = send_message(message_id=message_id)
    return {"state": str(row.state), "error": row.error}
