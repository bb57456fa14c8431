"""Starting and stopping a campaign."""

from contextlib import suppress
from uuid import UUID

from django.db import transaction

from apps.notifications.errors import CampaignBusy
from apps.notifications.models import Campaign
from apps.notifications.services.campaign import locked
from apps.notifications.states import CampaignState
from apps.notifications.unsubscribe import require_public_url
from celeriac import Job, JobNotFound, Now, TransitionRefused, audit, cancel, enqueue

KIND = "notifications.campaign"


def campaign_start(*, campaign_id: UUID, actor: object, reason: str = "") -> Campaign:
    """Start a campaign, or let one that was stopped go on, by one job; return it.

    Nobody who was sent to, or may have been, is sent to again. Raises CampaignNotFound,
    CampaignBusy (it is finished, empty, or its job still lives) and NotConfigured.
    """
    require_public_url()
    with transaction.atomic():
        campaign = locked(campaign_id)
        _refuse_start(campaign)
        job = enqueue(KIND, {"campaign_id": campaign_id})
        Campaign.objects.filter(id=campaign_id).update(
            state=CampaignState.RUNNING, job=job.id, started_at=campaign.started_at or Now()
        )
        audit.record("start", "campaign", campaign_id, actor=actor, reason=reason)
    campaign.refresh_from_db()
    return campaign


def campaign_cancel(*, campaign_id: UUID, actor: object, reason: str = "") -> Campaign:
    """Stop a campaign, and its job; return it. The message that is under way may still leave.

    Raises CampaignNotFound, and CampaignBusy unless it is running or stalled.
    """
    with transaction.atomic():
        campaign = locked(campaign_id)
        if campaign.state not in (CampaignState.RUNNING, CampaignState.STALLED):
            raise CampaignBusy(f"{campaign} is {campaign.state}: there is nothing to stop.")
        Campaign.objects.filter(id=campaign_id).update(state=CampaignState.CANCELLED, run=None)
        audit.record("cancel", "campaign", campaign_id, actor=actor, reason=reason)
    _cancel_job(campaign)
    campaign.refresh_from_db()
    return campaign


def campaign_stall(*, job_id: UUID) -> None:
    """Note that a campaign's job died: an operator may start it again."""
    running = Campaign.objects.filter(job=job_id, state=CampaignState.RUNNING)
    running.update(state=CampaignState.STALLED, run=None)


def campaign_follow(*, job_id: UUID) -> None:
    """Stop the campaign whose job was asked to stop; a lost claim alone stops nothing."""
    if Job.objects.filter(id=job_id, cancel_requested_at__isnull=False).exists():
        running = Campaign.objects.filter(job=job_id, state=CampaignState.RUNNING)
        running.update(state=CampaignState.CANCELLED, run=None)


def _refuse_start(campaign: Campaign) -> None:
    if campaign.state == CampaignState.FINISHED:
        raise CampaignBusy(f"{campaign} is finished: what is unknown is never sent again.")
    if not campaign.total:
        raise CampaignBusy(f"{campaign} has no recipients.")
    if campaign.job is None:
        return
    living = Job.objects.unfinished().filter(id=campaign.job)
    if living.filter(cancel_requested_at=None).exists():
        raise CampaignBusy(f"{campaign} is under way: job {campaign.job}.")


def _cancel_job(campaign: Campaign) -> None:
    """A job that has ended, or was pruned, needs no stop: the campaign's own state counts."""
    if campaign.job is not None:
        with suppress(TransitionRefused, JobNotFound):
            cancel(campaign.job)
