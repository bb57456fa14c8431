"""Jobs that send mail. Each may run any number of times: the email's row decides."""

from typing import Any
from uuid import UUID

from apps.jobs.api import Backoff, GiveUp
from apps.notifications import services
from apps.notifications.errors import EmailNotFound, UnknownTemplate
from apps.notifications.states import State
from tasks.base import job


@job(
    "notifications.send",
    queue="notifications",
    lock="email:{email_id}",
    breaker="email",
    retry=Backoff(max_attempts=12, base=2, cap=900, give_up_on=(EmailNotFound, UnknownTemplate)),
    timeout=60,
)
def send(email_id: UUID) -> dict[str, Any]:
    """Hand an email to the mail server."""
    email = services.email_send(email_id=email_id)
    if email.state == State.FAILED:
        raise GiveUp(f"The mail server refused it for good: {email.error}")
    return {"state": email.state, "resends_after_unknown": email.resends_after_unknown}
