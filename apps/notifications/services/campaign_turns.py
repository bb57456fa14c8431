"""Whose turn it is: the short transactions between which a campaign's mail leaves.

A recipient is marked `sending` before the mail server is called and what became of it is
written after, each committed at once. So a run that dies leaves at most one in `sending`;
the next run calls that one unknown and never sends to it.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from apps.notifications.models import Campaign, Recipient
from apps.notifications.selectors import is_suppressed
from apps.notifications.services.campaign import locked
from apps.notifications.states import CampaignState, Delivery, MessageClass
from celeriac import Now, clock

#: A recipient that the server refused for now so often is given up; the first wait, in seconds.
MOST_REFUSALS, REFUSAL_WAIT = 5, 60.0
#: For so long, and for one message at least, the rate is made up for after a pause, in seconds.
BURST = 0.2


@dataclass(frozen=True, slots=True)
class Over:
    """This run has nothing to do any more."""

    finished: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody's turn comes before so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """This recipient is marked `sending`; None where one was passed over."""

    recipient: Recipient | None


def take_over(campaign_id: UUID) -> tuple[Campaign, UUID] | None:
    """Make this the only run that may send, or return None where none may.

    Whoever an earlier run left in `sending` may have got the message: unknown for good.
    """
    run = uuid4()
    with transaction.atomic(durable=True):
        campaign = locked(campaign_id)
        if campaign.state not in (CampaignState.RUNNING, CampaignState.STALLED):
            return None
        Recipient.objects.filter(campaign=campaign, state=Delivery.SENDING).update(
            state=Delivery.UNKNOWN, error="the run that sent it got lost", finished_at=Now()
        )
        Campaign.objects.filter(id=campaign_id).update(run=run, state=CampaignState.RUNNING)
    campaign.run = run
    return campaign, run


def next_turn(campaign_id: UUID, run: UUID) -> Over | Wait | Turn:
    """Commit whose turn it is."""
    with transaction.atomic(durable=True):
        campaign = locked(campaign_id)
        if campaign.run != run or campaign.state != CampaignState.RUNNING:
            return Over(finished=False)
        now = clock.db_now()
        if campaign.next_at and campaign.next_at > now:
            return Wait((campaign.next_at - now).total_seconds(), "the campaign's rate")
        pending = Recipient.objects.filter(campaign=campaign, state=Delivery.PENDING)
        recipient = pending.order_by("due_at", "id").first()
        if recipient is None:
            return _finished(campaign)
        if recipient.due_at > now:
            wait = (recipient.due_at - now).total_seconds()
            return Wait(wait, "the mail server refused the rest for now")
        if is_suppressed(recipient.address, MessageClass.BULK):
            return _passed_over(recipient)
        _take_slot(campaign)
        return _begun(recipient, run)


def _finished(campaign: Campaign) -> Over:
    Campaign.objects.filter(id=campaign.id).update(
        state=CampaignState.FINISHED, finished_at=Now(), run=None
    )
    return Over(finished=True)


def _passed_over(recipient: Recipient) -> Turn:
    Recipient.objects.filter(id=recipient.id).update(
        state=Delivery.SUPPRESSED, error="on the suppression list", finished_at=Now()
    )
    return Turn(None)


def _take_slot(campaign: Campaign) -> None:
    """Move the time of the next message on (the generic cell rate algorithm, ITU-T I.371)."""
    gap = timedelta(seconds=1 / campaign.rate)
    made_up = max(gap, timedelta(seconds=BURST)) if campaign.next_at else timedelta()
    earliest = Greatest(F("next_at"), Now() - made_up)
    Campaign.objects.filter(id=campaign.id).update(next_at=earliest + gap)


def _begun(recipient: Recipient, run: UUID) -> Turn:
    Recipient.objects.filter(id=recipient.id).update(
        state=Delivery.SENDING, run=run, sends=F("sends") + 1, sending_at=Now()
    )
    return Turn(recipient)


class RecipientOutcomes:
    """What became of a recipient, written unless somebody else has settled it."""

    def __init__(self, recipient: Recipient, run: UUID) -> None:
        self._recipient, self._run = recipient, run

    def accepted(self, provider_id: str) -> None:
        """The server took it. Also after this run was taken for lost: it knows better."""
        self._end(
            [Delivery.SENDING, Delivery.UNKNOWN], Delivery.ACCEPTED, provider_id=provider_id[:255]
        )

    def failed(self, reason: str) -> None:
        """The server refused it for good."""
        self._end([Delivery.SENDING, Delivery.UNKNOWN], Delivery.FAILED, error=reason[:500])

    def unknown(self, reason: str) -> None:
        """It may have been taken."""
        self._end([Delivery.SENDING], Delivery.UNKNOWN, error=reason[:500])

    def not_sent(self, reason: str) -> None:
        """It did not leave: its turn comes again."""
        self._mine([Delivery.SENDING]).update(state=Delivery.PENDING, error=reason[:500])

    def refused(self, reason: str) -> None:
        """The server refused it for now: later, each time twice as late, and not for ever."""
        if self._recipient.refusals + 1 >= MOST_REFUSALS:
            self.failed(reason)
            return
        wait = timedelta(seconds=REFUSAL_WAIT * 2**self._recipient.refusals)
        self._mine([Delivery.SENDING]).update(
            state=Delivery.PENDING,
            refusals=F("refusals") + 1,
            due_at=Now() + wait,
            error=reason[:500],
        )

    def _end(self, states: list[Delivery], state: Delivery, **fields: str) -> None:
        self._mine(states).update(state=state, finished_at=Now(), **{"error": "", **fields})

    def _mine(self, states: list[Delivery]) -> QuerySet[Recipient]:
        return Recipient.objects.filter(id=self._recipient.id, run=self._run, state__in=states)
