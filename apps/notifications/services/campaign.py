"""A campaign and its recipients come into being."""

from collections.abc import Iterable, Mapping
from itertools import batched
from uuid import UUID

from django.db import transaction

from apps.notifications.addresses import normalise_address
from apps.notifications.errors import CampaignBusy, CampaignNotFound, InvalidRecipients
from apps.notifications.models import Campaign, Recipient
from apps.notifications.render import require_template
from apps.notifications.states import CampaignState
from celeriac import audit

type Addressee = str | tuple[str, Mapping[str, object]]

#: Rows an INSERT.
CHUNK = 1000


def campaign_create(
    *,
    name: str,
    template: str,
    recipients: Iterable[Addressee],
    rate: float,
    context: Mapping[str, object] | None = None,
    actor: object = None,
) -> Campaign:
    """Write a campaign that waits to be started, with its recipients, and return it.

    `rate` is in messages a second. A recipient is an address, or an address and what the
    template says to it alone; the same address again changes nothing. Raises UnknownTemplate,
    InvalidRecipients (with every bad one) and nothing is written then.
    """
    require_template(template)
    with transaction.atomic():
        campaign = Campaign.objects.create(
            name=name,
            template=template,
            context=dict(context or {}),
            rate=rate,
            created_by_id=getattr(actor, "pk", None),
        )
        campaign_add(campaign_id=campaign.id, recipients=recipients)
        campaign.refresh_from_db()
        details = {"name": name, "recipients": campaign.total}
        audit.record("create", "campaign", campaign.id, actor=actor, details=details)
    return campaign


def campaign_add(*, campaign_id: UUID, recipients: Iterable[Addressee]) -> int:
    """Add recipients to a campaign that was not started yet; return how many were new.

    Raises CampaignNotFound, CampaignBusy, InvalidRecipients.
    """
    rows = [Recipient(campaign_id=campaign_id, **fields) for fields in _checked(recipients)]
    with transaction.atomic():
        campaign = locked(campaign_id)
        if campaign.state != CampaignState.DRAFT:
            raise CampaignBusy(f"{campaign} is {campaign.state}: its recipients are fixed.")
        for chunk in batched(rows, CHUNK):
            Recipient.objects.bulk_create(chunk, ignore_conflicts=True)
        total = Recipient.objects.filter(campaign=campaign_id).count()
        Campaign.objects.filter(id=campaign_id).update(total=total)
    return total - campaign.total


def locked(campaign_id: UUID) -> Campaign:
    """Return the campaign, locked until the transaction ends; raises CampaignNotFound."""
    campaign = Campaign.objects.select_for_update().filter(id=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound(f"There is no campaign {campaign_id}.")
    return campaign


def _checked(recipients: Iterable[Addressee]) -> list[dict[str, object]]:
    """Return each address once, in order, with its own context."""
    good: dict[str, dict[str, object]] = {}
    bad: list[str] = []
    for each in recipients:
        address, own = (each, {}) if isinstance(each, str) else each
        try:
            spelling = normalise_address(address)
            good.setdefault(spelling, {"address": spelling, "context": dict(own)})
        except InvalidRecipients:
            bad.append(address)
    if bad:
        shown = ", ".join(repr(address) for address in bad[:10])
        more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
        raise InvalidRecipients(f"These are no addresses: {shown}{more}.", addresses=bad)
    return list(good.values())
