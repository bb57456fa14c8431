"""Jobs that send mail. Each may run any number of times: the email's row decides."""

from typing import Any
from uuid import UUID

from apps.notifications import services
from apps.notifications.errors import CampaignNotFound, EmailNotFound, UnknownTemplate
from apps.notifications.states import State
from celeriac import Backoff, Cancelled, GiveUp, Snooze, current_job, job


@job(
    "notifications.send",
    queue="notifications",
    lock="email:{email_id}",
    breaker="email",
    retry=Backoff(max_attempts=12, base=2, cap=900, give_up_on=(EmailNotFound, UnknownTemplate)),
    timeout=60,
    search=("email_id",),
)
def send(email_id: UUID) -> dict[str, Any]:
    """Hand an email to the mail server."""
    email = services.email_send(email_id=email_id)
    if email.state == State.FAILED:
        raise GiveUp(f"The mail server refused it for good: {email.error}")
    return {"state": email.state, "resends_after_unknown": email.resends_after_unknown}


# Each run sends for some ten seconds and snoozes, so the soft limit is for a server that answers
# each step late. A campaign may run for days and meet many a deploy: no loss is its own fault,
# and each takes one recipient with it (unknown, never tried again), so that even a recipient
# that kills its worker is behind it after one loss. Hence many losses before it is stalled.
@job(
    "notifications.campaign",
    queue="notifications",
    priority=-10,
    unique="campaign:{campaign_id}",
    lock="campaign:{campaign_id}",
    breaker="email",
    retry=Backoff(max_attempts=20, base=2, cap=300, give_up_on=(CampaignNotFound,)),
    max_losses=100,
    timeout=120,
    on_dead="notifications.campaign_dead",
    search=("campaign_id",),
)
def campaign(campaign_id: UUID) -> dict[str, Any]:
    """Send a campaign, a while at a time."""
    this = current_job()
    progress = services.campaign_run(
        campaign_id=campaign_id, tell=this.progress, should_stop=this.should_stop
    )
    if this.should_stop():
        services.campaign_follow(job_id=this.id)
        raise Cancelled
    if progress.wait is not None:
        raise Snooze(progress.wait, progress.reason)
    return progress.counts


@job("notifications.campaign_dead", queue="maintenance")
def campaign_dead(job_id: UUID, error: str) -> None:
    """Let the operators see that a campaign stands still."""
    services.campaign_stall(job_id=job_id)
