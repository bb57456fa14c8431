"""A campaign survives the death of its worker at any point: nobody gets two messages.

In the suite 600 recipients and three kills; `CAMPAIGN_RECIPIENTS=5000 CAMPAIGN_KILLS=5` is the
long one. `SEED` makes the moments of the kills repeat.
"""

import os
import random

import pytest

from apps.notifications import selectors, services
from apps.notifications.models import Campaign, Recipient
from celeriac.jobs.models import Job
from tests.factories_domain import CampaignFactory, addresses
from tests.support.processes import wait_until
from tests.support.providers import (  # noqa: F401 fixtures
    _mailsink_server,
    circuits,
    mailsink,
)

RECIPIENTS = int(os.environ.get("CAMPAIGN_RECIPIENTS", "600"))
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "3"))
SEED = int(os.environ.get("SEED", "7"))
#: Seconds: many times what it takes.
PATIENCE = 60 + RECIPIENTS / 5
#: Short leases, so that a rescue need not be waited for long.
FAST = {
    "CELERIAC_HEARTBEAT_SECONDS": "0.4",
    "CELERIAC_WORKER_LEASE_SECONDS": "2.5",
    "CELERIAC_QUEUE_LEASE_SECONDS": "3",
}


@pytest.fixture
def start_worker(processes, mailsink, settings):  # noqa: F811 the fixture above
    """Run a dispatcher, and return a starter of workers that call this test's mail sink."""
    env = {
        **FAST,
        "EMAIL_URL": f"smtp://{settings.EMAIL_HOST}:{settings.EMAIL_PORT}",
        "PUBLIC_URL": settings.PUBLIC_URL,
    }
    processes.dispatcher(env=env).wait_for_output("dispatcher ready")
    return lambda: processes.worker(queues=["notifications", "maintenance"], env=env)


def settled():
    """Return how many recipients are done with."""
    return Recipient.objects.exclude(state__in=["pending", "sending"]).count()


def test_a_campaign_whose_worker_is_killed_reaches_nobody_twice(start_worker, mailsink):  # noqa: F811 the fixture above
    """Every address is at the sink once, or listed as unknown; few are unknown."""
    chance = random.Random(SEED)  # noqa: S311 not a secret
    moments = sorted(chance.sample(range(RECIPIENTS // 20, RECIPIENTS * 9 // 10), KILLS))
    campaign = CampaignFactory(size=RECIPIENTS)
    worker = start_worker()
    services.campaign_start(campaign_id=campaign.id, actor="cli")
    for moment in moments:
        wait_until(lambda moment=moment: settled() >= moment, timeout=PATIENCE, every=0.01)
        worker.kill_group()
        worker = start_worker()
    wait_until(lambda: Campaign.objects.get().state == "finished", timeout=PATIENCE)
    got = [address for message in mailsink.messages() for address in message.rcpt_tos]
    unknown = set(selectors.campaign_unknown(campaign.id).values_list("address", flat=True))
    job = Job.objects.get()
    facts = {
        **selectors.campaign_counts(campaign.id),
        "at the sink": len(got),
        "unknown and at the sink": len(unknown & set(got)),
        "losses": job.losses,
        "runs": job.attempt,
    }
    print(f"{RECIPIENTS} recipients, killed at {moments}: {facts}")
    assert len(got) == len(set(got))
    assert set(addresses(RECIPIENTS)) - set(got) <= unknown
    assert len(unknown) <= KILLS
    assert not Recipient.objects.exclude(state__in=["accepted", "unknown"]).exists()
    wait_until(lambda: Job.objects.get().state == "succeeded")
    assert (job.failures, job.losses <= KILLS) == (0, True)
