"""Mail leaves once, or at least once, as its class has it. Real SMTP."""

import smtplib

import pytest
from django.db import transaction

from apps.notifications import services
from apps.notifications.errors import (
    InvalidRecipients,
    MailNotSent,
    MailOutcomeUnknown,
    MailRefused,
    UnknownTemplate,
)
from apps.notifications.models import Email
from apps.notifications.states import MessageClass
from celeriac.breakers.api import CircuitOpen
from celeriac.jobs.models import Job
from celeriac.mail.smtp import SmtpBackend
from celeriac.settings import conf
from tests.factories_domain import (
    CampaignFactory,
    EmailFactory,
    OrderFactory,
    SuppressionFactory,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_email_and_its_job_are_one_transaction():
    """After a rollback neither is there."""
    with transaction.atomic():
        EmailFactory()
        transaction.set_rollback(True)
    assert not Email.objects.exists()
    assert not Job.objects.exists()


def test_an_email_is_accepted_once(mailsink):
    """And a second run calls nobody."""
    row = EmailFactory()
    assert services.email_send(email_id=row.id).state == "accepted"
    assert services.email_send(email_id=row.id).sends == 1
    assert mailsink.stats()["by_message_id"] == {row.message_id: 1}


def test_one_message_a_template_and_reference():
    """The second is the first."""
    first = EmailFactory(reference="order:1")
    assert EmailFactory(reference="order:1").id == first.id
    assert Job.objects.count() == 1


def test_a_template_without_its_parts_is_refused():
    """Before anything is written."""
    with pytest.raises(UnknownTemplate):
        EmailFactory(template="orders/nothing")
    assert not Email.objects.exists()


def test_a_receipt_whose_reply_was_lost_is_sent_again_under_the_same_id(mailsink):
    """At least once: two copies, one Message-ID, the resend counted."""
    row = EmailFactory()
    mailsink.faults(drop_rate=1.0)
    with pytest.raises(MailOutcomeUnknown):
        services.email_send(email_id=row.id)
    row.refresh_from_db()
    assert row.state == "unknown"
    mailsink.faults(drop_rate=0.0)
    work()
    row.refresh_from_db()
    assert (row.state, row.resends_after_unknown) == ("accepted", 1)
    assert mailsink.stats()["by_message_id"] == {row.message_id: 2}


def test_a_reply_that_comes_too_late_is_unknown_too(mailsink, settings):
    """The message was kept before the delay."""
    settings.EMAIL_TIMEOUT = 0.5
    row = EmailFactory()
    mailsink.faults(delay_rate=1.0, delay_seconds=2.5)
    with pytest.raises(MailOutcomeUnknown):
        services.email_send(email_id=row.id)


def test_bulk_mail_whose_reply_was_lost_is_never_sent_again(mailsink):
    """At most once, and listed as unknown."""
    row = EmailFactory(message_class=MessageClass.BULK)
    mailsink.faults(drop_rate=1.0)
    assert services.email_send(email_id=row.id).state == "unknown"
    mailsink.faults(drop_rate=0.0)
    work()
    row.refresh_from_db()
    assert (row.state, row.sends) == ("unknown", 1)
    assert mailsink.stats()["by_message_id"] == {row.message_id: 1}


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_a_refusal_for_now_is_tried_again(mailsink, stage):
    """4xx: nothing was taken, so nothing is unknown."""
    row = EmailFactory()
    mailsink.faults(refuse_rate=1.0, refuse_code=451, refuse_stage=stage)
    with pytest.raises(MailRefused):
        services.email_send(email_id=row.id)
    row.refresh_from_db()
    assert row.state == "queued"
    mailsink.faults(refuse_rate=0.0)
    work()
    row.refresh_from_db()
    assert (row.state, row.resends_after_unknown) == ("accepted", 0)


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_a_refusal_for_good_ends_it(mailsink, stage):
    """5xx: failed, the job dead at the first go."""
    row = EmailFactory()
    mailsink.faults(refuse_rate=1.0, refuse_code=550, refuse_stage=stage)
    work()
    row.refresh_from_db()
    assert row.state == "failed"
    assert "550" in row.error
    assert (Job.objects.get().state, Job.objects.get().failures) == ("dead", 1)


@pytest.mark.parametrize("mode", ["reset", "unavailable"])
def test_a_mail_server_that_is_down_was_sent_nothing(mailsink, mode):
    """Not unknown: the connection broke before DATA."""
    row = EmailFactory()
    mailsink.down(mode=mode)
    with pytest.raises(MailNotSent):
        services.email_send(email_id=row.id)
    row.refresh_from_db()
    assert row.state == "queued"
    mailsink.up()
    work()
    row.refresh_from_db()
    assert (row.state, row.resends_after_unknown) == ("accepted", 0)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("message_class", "state", "copies"), [("transactional", "accepted", 2), ("bulk", "unknown", 1)]
)
def test_a_kill_after_the_message_left(mailsink, monkeypatch, message_class, state, copies):
    """The row says sending; the class decides what that means."""
    row = EmailFactory(message_class=message_class)
    send = SmtpBackend.send_messages

    def killed(self, messages):
        send(self, messages)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SmtpBackend, "send_messages", killed)
        with pytest.raises(Killed):
            services.email_send(email_id=row.id)
    row.refresh_from_db()
    assert row.state == "sending"
    work()
    row.refresh_from_db()
    assert row.state == state
    assert mailsink.stats()["by_message_id"] == {row.message_id: copies}


def test_a_bad_goodbye_does_not_make_an_accepted_mail_unknown(mailsink, monkeypatch):
    """QUIT fails after the message was taken."""

    def quit_badly(self):
        raise smtplib.SMTPResponseException(500, b"what?")

    monkeypatch.setattr(smtplib.SMTP, "quit", quit_badly)
    assert services.email_send(email_id=EmailFactory().id).state == "accepted"


@pytest.mark.parametrize(
    ("reason", "message_class", "state"),
    [
        ("bounce", "transactional", "suppressed"),
        ("bounce", "bulk", "suppressed"),
        ("unsubscribe", "bulk", "suppressed"),
        ("unsubscribe", "transactional", "accepted"),
    ],
)
def test_the_suppression_list_is_read_at_send_time(mailsink, reason, message_class, state):
    """It was suppressed after the mail was written; who unsubscribed still gets receipts."""
    row = EmailFactory(recipient="Gone@mail.example", message_class=message_class)
    SuppressionFactory(address="gone@mail.example", reason=reason)
    work()
    row.refresh_from_db()
    assert row.state == state
    assert len(mailsink.messages()) == (state == "accepted")


def test_each_door_keeps_one_spelling(mailsink):
    """Mail, list, campaign and order write the address as the others do."""
    odd, kept = "Gone Anna <Gone@MÜNCHEN.example>", "gone@xn--mnchen-3ya.example"
    email = EmailFactory(recipient=odd)
    campaign = CampaignFactory(recipients=[odd, "gone@münchen.example."])
    suppressed = services.suppress(address=odd, reason="operator")
    order = OrderFactory(email=odd)
    recipient = campaign.recipients.get()
    found = {email.recipient, recipient.address, suppressed.address, order.email}
    assert found == {kept}
    assert services.unsuppress(address=odd, actor=None) == 1


@pytest.mark.parametrize("bad", ["nobody", "a@shop.example\nBcc: b@shop.example"])
def test_what_is_no_address_is_refused_where_it_is_written(bad):
    """Nothing is queued that could only fail."""
    with pytest.raises(InvalidRecipients):
        EmailFactory(recipient=bad)
    with pytest.raises(InvalidRecipients):
        services.suppress(address=bad, reason="operator")
    assert not Job.objects.exists()


def test_an_open_circuit_means_not_sent(mailsink, settings):
    """The email is queued as before, and its job snoozes without a failure."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {**conf.BREAKERS, "email": {"min_volume": 1, "cooldown": 60.0}},
    }
    row = EmailFactory()
    mailsink.down()
    with pytest.raises(MailNotSent):
        services.email_send(email_id=row.id)
    mailsink.up()
    with pytest.raises(CircuitOpen):
        services.email_send(email_id=row.id)
    row.refresh_from_db()
    assert row.state == "queued"
    assert mailsink.messages() == []


def test_no_mail_leaves_inside_a_transaction(mailsink):
    """The begin is durable."""
    row = EmailFactory()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        services.email_send(email_id=row.id)
    assert mailsink.messages() == []
