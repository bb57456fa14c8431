import smtplib
from email.message import EmailMessage

import pytest

from sandbox.common.client import ControlError
from sandbox.mailsink import FaultSettings, MailsinkControl, MailsinkOptions, running_mailsink
from tests.integration.sandbox.tools import DEADLINE, process, wait_until


def mail(number=1, to="ada@example.org", body="Hello"):
    """Return a message with a Message-ID of its own."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.org>"
    message["To"] = to
    message["Subject"] = f"Your receipt № {number}"
    message["Message-ID"] = f"<receipt-{number}@example.org>"
    message.set_content(body)
    return message


def send(sink, message, timeout=DEADLINE):
    """Send one message over a connection of its own."""
    with smtplib.SMTP(sink.host, sink.port, timeout=timeout) as smtp:
        smtp.send_message(message)


def test_what_was_sent_is_kept_whole(mailsink):
    """Envelope, decoded headers and the raw bytes, lone dots included."""
    send(mailsink, mail(body="first\n.\n..last"))

    (kept,) = mailsink.control.messages()

    assert kept.message_id == "<receipt-1@example.org>"
    assert (kept.mail_from, kept.rcpt_tos) == ("shop@example.org", ["ada@example.org"])
    assert kept.subject == "Your receipt № 1"
    assert ("From", "Shop <shop@example.org>") in kept.headers
    assert b"first\r\n.\r\n..last\r\n" in kept.raw
    assert kept.replied


def test_messages_are_read_on_from_a_number(mailsink):
    """For watchers that poll."""
    for number in range(3):
        send(mailsink, mail(number))
    first, *rest = mailsink.control.messages()

    assert mailsink.control.messages(after=first.number) == rest
    assert mailsink.control.stats()["messages"] == 3


@pytest.mark.parametrize(("stage", "code"), [("rcpt", 450), ("rcpt", 550), ("data", 451)])
def test_refusals_come_where_and_how_they_were_asked_for(mailsink, stage, code):
    """Nothing is kept."""
    mailsink.control.faults(refuse_rate=1, refuse_stage=stage, refuse_code=code)

    with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as refused:
        send(mailsink, mail())

    error = refused.value
    replies = error.recipients.values() if stage == "rcpt" else [(error.smtp_code, "")]
    assert [reply for reply, _ in replies] == [code]
    assert mailsink.control.messages() == []
    assert mailsink.control.stats()["replies"] == {str(code): 1}


def test_addresses_that_match_a_pattern_are_always_refused(mailsink):
    """The other recipients of the same message are served."""
    mailsink.control.faults(refuse_pattern="*@bounce.example, bob@*")

    send(mailsink, mail(to="ada@example.org, eve@BOUNCE.example, bob@example.org"))

    assert mailsink.control.messages()[0].rcpt_tos == ["ada@example.org"]


def test_a_connection_dropped_after_data_has_delivered(mailsink):
    """The sender can't know; the sink does."""
    mailsink.control.faults(drop_rate=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mailsink, mail())
    mailsink.control.faults(drop_rate=0)
    send(mailsink, mail())

    assert [kept.replied for kept in mailsink.control.messages()] == [False, True]
    stats = mailsink.control.stats()
    assert (stats["messages"], stats["unique"], stats["unheard"]) == (2, 1, 1)
    assert stats["by_message_id"] == {"<receipt-1@example.org>": 2}


def test_a_late_reply_outlasts_the_senders_timeout(mailsink):
    """The message is kept before the delay."""
    mailsink.control.faults(delay_rate=1, delay_seconds=3600)

    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        send(mailsink, mail(), timeout=0.5)

    assert len(mailsink.control.messages()) == 1


def test_a_sink_that_is_down_cuts_connections_until_it_is_up(mailsink):
    """Silently or with 421, new connections and open ones."""
    with smtplib.SMTP(mailsink.host, mailsink.port, timeout=DEADLINE) as smtp:
        smtp.ehlo()
        mailsink.control.down(60)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.send_message(mail())
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        send(mailsink, mail())
    mailsink.control.down(60, mode="unavailable")
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        send(mailsink, mail())
    mailsink.control.up()
    send(mailsink, mail())

    assert refused.value.smtp_code == 421
    assert len(mailsink.control.messages()) == 1
    assert mailsink.control.outages()["calls"] == 3


def test_the_same_seed_strikes_the_same_messages():
    """By Message-ID; another try of the same message rolls anew."""

    def refused(seed):
        settings = FaultSettings(seed=seed, refuse_rate=0.5, refuse_stage="data")
        struck = []
        with (
            running_mailsink(settings=settings) as sink,
            smtplib.SMTP(sink.host, sink.port, timeout=DEADLINE) as smtp,
        ):
            for number in range(30):
                try:
                    smtp.send_message(mail(number % 15))
                except smtplib.SMTPDataError:
                    struck.append(number)
        return struck

    first = refused(1)

    assert refused(1) == first
    assert refused(2) != first
    assert {n for n in first if n < 15} != {n - 15 for n in first if n >= 15}


def test_settings_that_make_no_sense_are_refused(mailsink):
    """With the field named."""
    with pytest.raises(ControlError, match="refuse_code is one of"):
        mailsink.control.faults(refuse_code=299)


def test_a_journal_carries_the_mail_over_a_restart(tmp_path):
    """And reset empties it."""
    options = MailsinkOptions(journal=tmp_path / "mail.jsonl")
    with running_mailsink(options) as sink:
        send(sink, mail(1))
    with running_mailsink(options) as sink:
        send(sink, mail(2))
        ids = [kept.message_id for kept in sink.control.messages()]
        assert [kept.number for kept in sink.control.messages()] == [1, 2]
        sink.control.reset()
    with running_mailsink(options) as sink:
        assert sink.control.messages() == []

    assert ids == ["<receipt-1@example.org>", "<receipt-2@example.org>"]


def test_the_process_says_where_it_is_and_ends_cleanly(monkeypatch):
    """SMTP on one port, control on another; options from the environment."""
    monkeypatch.setenv("MAILSINK_REFUSE_PATTERN", "*@bounce.example")
    with process("sandbox.mailsink", ready_lines=2) as (running, (smtp_line, control_line)):
        host, port = smtp_line.removeprefix("mailsink ready smtp://").split(":")
        control = MailsinkControl(control_line.removeprefix("mailsink control ready "))
        with smtplib.SMTP(host, int(port), timeout=DEADLINE) as smtp:
            smtp.send_message(mail())
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                smtp.send_message(mail(to="eve@bounce.example"))
        wait_until(lambda: control.stats()["messages"] == 1)

        running.terminate()

        assert running.wait(DEADLINE) == 0
    assert not control.healthy()
