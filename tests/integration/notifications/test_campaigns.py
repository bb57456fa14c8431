"""A campaign reaches nobody twice, and says whom it may not have reached. Real SMTP."""

import time
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import IntegrityError, transaction

from apps.notifications import selectors, services
from apps.notifications.errors import (
    CampaignBusy,
    InvalidRecipients,
    NotConfigured,
    UnknownTemplate,
)
from apps.notifications.models import Campaign, Recipient
from celeriac import Snooze, cancel
from celeriac.core.clock import Now
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from celeriac.mail.smtp import SmtpBackend
from celeriac.settings import conf
from celeriac.testing import perform_job
from tests.factories_domain import CampaignFactory, SuppressionFactory, addresses, work

pytestmark = pytest.mark.django_db(transaction=True)


def start(campaign):
    """Start it as an operator."""
    return services.campaign_start(campaign_id=campaign.id, actor="cli", reason="news")


def run(campaign, **options):
    """Run it once in this process, for a while."""
    return services.campaign_run(campaign_id=campaign.id, **options)


def received(mailsink):
    """Return how many copies each address got."""
    got = [address for message in mailsink.messages() for address in message.rcpt_tos]
    return {address: got.count(address) for address in got}


def counts(campaign):
    """Return the states that recipients are in, and how many."""
    found = selectors.campaign_counts(campaign.id)
    return {state: count for state, count in found.items() if count}


def test_everybody_gets_one_message_by_one_job_with_progress(mailsink):
    """And the job's row says how far it is."""
    campaign = start(CampaignFactory(size=30))
    work()
    campaign.refresh_from_db()
    assert (campaign.state, counts(campaign)) == ("finished", {"accepted": 30})
    assert received(mailsink) == dict.fromkeys(addresses(30), 1)
    job = Job.objects.get()
    assert (job.state, job.progress) == ("succeeded", {"done": 30, "total": 30})
    assert job.result["accepted"] == 30
    assert set(mailsink.stats()["by_message_id"]) == {
        recipient.message_id for recipient in Recipient.objects.all()
    }


def test_one_row_an_address_however_it_is_spelt():
    """The first one's words count."""
    many = ["Ada@Mail.example", " ada@mail.example ", ("ADA@MAIL.EXAMPLE", {"name": "Ada"})]
    campaign = CampaignFactory(recipients=many)
    assert campaign.total == 1
    assert Recipient.objects.get().address == "ada@mail.example"
    assert services.campaign_add(campaign_id=campaign.id, recipients=["ada@mail.example"]) == 0
    assert services.campaign_add(campaign_id=campaign.id, recipients=["bob@mail.example"]) == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Recipient.objects.create(campaign=campaign, address="ada@mail.example")


def test_what_is_no_address_is_named_and_nothing_is_written():
    """All of them at once."""
    with pytest.raises(InvalidRecipients, match="'nobody', 'a@b'") as caught:
        CampaignFactory(recipients=["nobody", "ada@mail.example", "a@b"])
    assert caught.value.details["addresses"] == ["nobody", "a@b"]
    with pytest.raises(UnknownTemplate):
        CampaignFactory(template="notifications/nothing")
    assert not Campaign.objects.exists()


def test_each_message_says_how_to_leave_in_headers_that_programs_read(mailsink, client):
    """RFC 8058: an https link in one piece, and the one-click header; the link works."""
    long = "a.very.long.local.part.of.an.address.that.folds@subdomain.of.a.mail.example"
    start(CampaignFactory(recipients=[long]))
    work()
    (message,) = mailsink.messages()
    raw = message.raw.decode()
    (line,) = [each for each in raw.splitlines() if each.startswith("List-Unsubscribe:")]
    assert line.startswith("List-Unsubscribe: <https://shop.example/unsubscribe/")
    assert line.endswith("/>")
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw.splitlines()
    path = line.partition("https://shop.example")[2].rstrip(">")
    client.post(path, {"List-Unsubscribe": "One-Click"})
    assert selectors.is_suppressed(long, "bulk")


def test_the_rate_is_kept_and_waiting_is_left_to_the_ledger(mailsink):
    """40 a second: no second sees a fifth more; longer waits are snoozes."""
    campaign = start(CampaignFactory(size=60, rate=40.0))
    began = time.monotonic()
    run(campaign)
    assert time.monotonic() - began > 59 / 40 * 0.95
    times = [message.at for message in mailsink.messages()]
    busiest = max(sum(at <= other < at + 1 for other in times) for at in times)
    assert busiest <= 40 * 1.2 + 1
    slow = start(CampaignFactory(size=3, rate=0.5))
    progress = run(slow)
    assert 1.5 < progress.wait <= 2.0
    assert counts(slow) == {"accepted": 1, "pending": 2}


def test_a_campaign_waits_in_the_ledger_not_in_a_worker(mailsink):
    """Its job snoozes, without a failure, and says why."""
    campaign = start(CampaignFactory(size=3, rate=0.5))
    work(rounds=1)
    job = Job.objects.get()
    assert (job.state, job.failures, job.wait_reason) == ("queued", 0, "the campaign's rate")
    assert job.progress["total"] == 3
    assert campaign.state == "running"


def test_the_suppression_list_is_read_when_a_turn_comes(mailsink):
    """Whatever the reason, and however the address is spelt there."""
    campaign = start(CampaignFactory(size=3))
    SuppressionFactory(address="Reader-1@mail.example", reason="unsubscribe")
    work()
    assert counts(campaign) == {"accepted": 2, "suppressed": 1}
    assert "reader-1@mail.example" not in received(mailsink)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("moment", "copies"), [("before", 2), ("after", 3)])
def test_a_kill_at_any_point_of_a_message_costs_that_one_only(
    mailsink, monkeypatch, moment, copies
):
    """The third is unknown, whether it left or not, and never sent again."""
    campaign = start(CampaignFactory(size=6))
    send, calls = SmtpBackend.send_messages, []

    def killed(self, messages):
        calls.append(messages)
        if len(calls) == 3 and moment == "before":
            raise Killed
        sent = send(self, messages)
        if len(calls) == 3:
            raise Killed
        return sent

    with monkeypatch.context() as patch:
        patch.setattr(SmtpBackend, "send_messages", killed)
        with pytest.raises(Killed):
            run(campaign)
    assert counts(campaign) == {"accepted": 2, "sending": 1, "pending": 3}
    assert len(mailsink.messages()) == copies
    run(campaign)
    assert counts(campaign) == {"accepted": 5, "unknown": 1}
    (lost,) = selectors.campaign_unknown(campaign.id)
    assert lost.address == "reader-2@mail.example"
    assert max(received(mailsink).values()) == 1
    assert (lost.address in received(mailsink)) == (moment == "after")


def test_a_run_that_was_taken_for_lost_stops_and_its_last_answer_counts(mailsink, monkeypatch):
    """A stalled process wakes up after another run has had the campaign for one message."""
    campaign = start(CampaignFactory(size=6))
    send, calls = SmtpBackend.send_messages, []
    looks = iter([False, True])

    def stalled(self, messages):
        calls.append(messages)
        if len(calls) == 3:
            run(campaign, should_stop=lambda: next(looks))
            assert counts(campaign) == {"accepted": 3, "unknown": 1, "pending": 2}
        return send(self, messages)

    monkeypatch.setattr(SmtpBackend, "send_messages", stalled)
    assert run(campaign).wait is None
    assert counts(campaign) == {"accepted": 4, "pending": 2}
    run(campaign)
    assert counts(campaign) == {"accepted": 6}
    assert received(mailsink) == dict.fromkeys(addresses(6), 1)


def test_a_lost_reply_is_unknown_and_the_next_ones_leave(mailsink):
    """The sink kept each of them; a sender that hears nothing three times pauses."""
    campaign = start(CampaignFactory(size=4))
    mailsink.faults(drop_rate=1.0)
    progress = run(campaign)
    assert progress.wait > 1
    mailsink.faults(drop_rate=0.0)
    run(campaign)
    assert counts(campaign) == {"accepted": 1, "unknown": 3}
    assert received(mailsink) == dict.fromkeys(addresses(4), 1)


def test_who_is_refused_for_now_gets_it_later_and_holds_up_nobody(mailsink):
    """4xx at the first one: the others first, then it."""
    campaign = start(CampaignFactory(size=4))
    mailsink.faults(refuse_pattern="reader-0@*", pattern_code=450)
    progress = run(campaign)
    assert counts(campaign) == {"accepted": 3, "pending": 1}
    assert 50 < progress.wait <= 60
    mailsink.faults(refuse_pattern="")
    Recipient.objects.filter(state="pending").update(due_at=Now() - timedelta(seconds=1))
    run(campaign)
    campaign.refresh_from_db()
    assert (campaign.state, counts(campaign)) == ("finished", {"accepted": 4})


def test_who_is_refused_for_good_or_too_often_has_failed(mailsink):
    """5xx at once, 4xx at the fifth time."""
    campaign = start(CampaignFactory(size=2))
    mailsink.faults(refuse_pattern="reader-0@*", pattern_code=550)
    run(campaign)
    assert counts(campaign) == {"accepted": 1, "failed": 1}
    often = start(CampaignFactory(size=1))
    mailsink.faults(refuse_pattern="*", pattern_code=450)
    for _ in range(5):
        Recipient.objects.filter(state="pending").update(due_at=Now() - timedelta(seconds=1))
        run(often)
    assert counts(often) == {"failed": 1}


@pytest.mark.parametrize("mode", ["reset", "unavailable"])
def test_an_outage_costs_time_only(mailsink, mode):
    """Nothing left, so nothing is unknown; the job's failures stay as they are."""
    campaign = start(CampaignFactory(size=5))
    mailsink.down(mode=mode)
    work(rounds=3)
    assert counts(campaign) == {"pending": 5}
    assert (Job.objects.get().failures, Job.objects.get().state) == (0, "queued")
    mailsink.up()
    work()
    assert counts(campaign) == {"accepted": 5}


def test_an_open_circuit_parks_the_campaign(mailsink, settings):
    """Not sent, no failure, until the circuit opens again."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {**conf.BREAKERS, "email": {"min_volume": 1, "cooldown": 60.0}},
    }
    campaign = start(CampaignFactory(size=2))
    mailsink.down()
    run(campaign)
    mailsink.up()
    progress = run(campaign)
    assert "circuit" in progress.reason
    assert 30 < progress.wait <= 60
    assert counts(campaign) == {"pending": 2}


def test_a_connection_that_the_server_closed_between_two_messages_is_opened_again(mailsink):
    """At once: the second message leaves on a new one."""
    campaign = start(CampaignFactory(size=3))
    told = []

    def cut(done, total):
        told.append(done)
        if len(told) == 1:
            mailsink.down(0.01)

    progress = run(campaign, tell=cut)
    if progress.wait:
        run(campaign)
    assert counts(campaign) == {"accepted": 3}
    assert received(mailsink) == dict.fromkeys(addresses(3), 1)


def test_a_message_that_can_not_be_written_for_one_is_that_ones_trouble(mailsink, monkeypatch):
    """The others get theirs; it has failed in the end, and says why."""
    campaign = start(CampaignFactory(size=3))
    module = import_module("apps.notifications.services.campaign_run")
    render = module.render_recipient

    def choosy(of, recipient):
        if recipient.address == "reader-0@mail.example":
            raise KeyError("no name")
        return render(of, recipient)

    monkeypatch.setattr(module, "render_recipient", choosy)
    for _ in range(5):
        Recipient.objects.filter(state="pending").update(due_at=Now() - timedelta(seconds=1))
        run(campaign)
    assert counts(campaign) == {"accepted": 2, "failed": 1}
    assert "no name" in Recipient.objects.get(state="failed").error
    assert received(mailsink) == dict.fromkeys(addresses(3)[1:], 1)


def test_a_cancelled_campaign_stops_and_goes_on_where_it_was(mailsink):
    """By the operator, audited; then started again."""
    campaign = start(CampaignFactory(size=6))

    def stop(done, total):
        if done == 2:
            services.campaign_cancel(campaign_id=campaign.id, actor="cli", reason="a typo")

    run(campaign, tell=stop)
    campaign.refresh_from_db()
    assert (campaign.state, counts(campaign)) == ("cancelled", {"accepted": 2, "pending": 4})
    assert Job.objects.get().state == "cancelled"
    assert run(campaign).wait is None
    assert counts(campaign)["pending"] == 4
    start(campaign)
    work()
    assert counts(campaign) == {"accepted": 6}
    assert received(mailsink) == dict.fromkeys(addresses(6), 1)
    verbs = list(Audit.objects.order_by("at").values_list("verb", flat=True))
    assert verbs == ["create", "start", "cancel", "start"]


def test_a_cancel_of_the_job_stops_the_campaign_too(mailsink, monkeypatch):
    """The handler is asked to stop, complies, and tells the campaign."""
    campaign = start(CampaignFactory(size=4))
    send = SmtpBackend.send_messages
    monkeypatch.setattr("celeriac.jobs.running.current.LOOK_EVERY", 0.0)

    def cancelling(self, messages):
        cancel(Job.objects.get().id)
        return send(self, messages)

    monkeypatch.setattr(SmtpBackend, "send_messages", cancelling)
    work()
    campaign.refresh_from_db()
    assert (campaign.state, Job.objects.get().state) == ("cancelled", "cancelled")
    assert counts(campaign) == {"accepted": 1, "pending": 3}


def test_a_campaign_whose_job_died_stands_still_for_all_to_see(mailsink, monkeypatch):
    """And may be started again."""
    campaign = start(CampaignFactory(size=2))
    Job.objects.update(max_attempts=1)
    with monkeypatch.context() as patch:
        patch.setattr(SmtpBackend, "send_messages", lambda self, messages: 1 / 0)
        work()
    campaign.refresh_from_db()
    assert campaign.state == "stalled"
    start(campaign)
    work()
    campaign.refresh_from_db()
    assert (campaign.state, counts(campaign)) == ("finished", {"accepted": 1, "unknown": 1})


def test_what_must_not_be_started_is_refused(mailsink, settings):
    """Under way, finished, empty, or without a way to leave."""
    campaign = start(CampaignFactory(size=1))
    with pytest.raises(CampaignBusy, match="under way"):
        start(campaign)
    with pytest.raises(CampaignBusy, match="fixed"):
        services.campaign_add(campaign_id=campaign.id, recipients=["x@mail.example"])
    work()
    with pytest.raises(CampaignBusy, match="finished"):
        start(campaign)
    with pytest.raises(CampaignBusy, match="no recipients"):
        start(CampaignFactory(recipients=[]))
    settings.PUBLIC_URL = ""
    with pytest.raises(NotConfigured):
        start(CampaignFactory(size=1))


@pytest.mark.django_db(transaction=False)
def test_a_campaign_can_be_performed_inside_a_test_transaction(mailsink):
    """The job's result is the tally."""
    campaign = CampaignFactory(size=2, rate=100.0)
    Campaign.objects.filter(id=campaign.id).update(
        state="running", job=campaign.id, started_at=Now()
    )
    try:
        tally = perform_job("notifications.campaign", campaign_id=campaign.id)
    except Snooze:
        pytest.fail("It had time enough.")
    assert tally["accepted"] == 2
