"""Django's mail as jobs: what is written, what leaves, and what happens to it after. Real SMTP."""

import base64
import email
import email.policy
from email.message import MIMEPart
from email.mime.image import MIMEImage

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from celeriac.jobs.models import Job
from celeriac.jobs.operating import prune
from celeriac.mail import backend as backend_module, checks
from celeriac.mail.models import Message
from celeriac.mail.send import MailFailed, send_message
from celeriac.settings import conf
from tests.factories_domain import work

pytestmark = pytest.mark.django_db(transaction=True)

OURS = "celeriac.mail.EmailBackend"


@pytest.fixture(autouse=True)
def durable(settings, request):
    """Write mail as a project with this backend does."""
    if "mailsink" in request.fixturenames:
        request.getfixturevalue("mailsink")  # which names another backend
    settings.EMAIL_BACKEND = OURS


def written(**options):
    """Write one message and return its row."""
    EmailMessage("Subject", "Body", "from@shop.example", ["ada@mail.example"], **options).send()
    return Message.objects.latest("id")


def received(mailsink):
    """Return the messages that the sink kept, parsed."""
    return [
        email.message_from_bytes(each.raw, policy=email.policy.default)
        for each in mailsink.messages()
    ]


def test_mail_in_a_transaction_is_undone_with_it(mailsink):
    """Nothing is left, and nothing leaves."""
    with transaction.atomic():
        assert send_mail("Subject", "Body", None, ["ada@mail.example"]) == 1
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert not Job.objects.exists()
    work()
    assert mailsink.messages() == []


def test_mail_leaves_once_its_transaction_committed(mailsink):
    """By its job; the Message-ID was fixed before."""
    with transaction.atomic():
        send_mail("Grüße", "Body", "from@shop.example", ["ada@mail.example"], html_message="<b>B")
    row = Message.objects.get()
    assert row.job.kind == "celeriac.mail"
    assert mailsink.messages() == []
    work()
    (message,) = received(mailsink)
    assert message["Message-ID"] == row.message_id
    assert message["Subject"] == "Grüße"
    assert message.get_body(("html",)).get_content().strip() == "<b>B"
    row.refresh_from_db()
    assert (row.state, row.sends, row.job.state) == ("accepted", 1, "succeeded")
    assert row.accepted_at is not None
    send_message(message_id=row.id)
    assert mailsink.stats()["messages"] == 1


def whole_message():
    """Return a message with everything that Django's can hold."""
    picture = MIMEImage(b"\x89PNG\r\n\x1a\n", "png")
    picture["Content-ID"] = "<picture>"
    note = MIMEPart(policy=email.policy.default)
    note.set_content("a note", disposition="attachment", filename="note.txt")
    message = EmailMultiAlternatives(
        gettext_lazy("Subject"),
        "Text",
        '"The Shop" <from@shop.example>',
        ["ada@mail.example"],
        bcc=["blind@mail.example"],
        cc=["copy@mail.example"],
        reply_to=["desk@shop.example"],
        headers={"X-Order": "1042", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative("<p>Text</p>", "text/html")
    message.attach("bytes.bin", bytes(range(256)) * 300, "application/octet-stream")
    message.attach("text.csv", "ä,b\r\n", "text/csv")
    message.attachments += [picture, note]
    message.attach("mail.eml", EmailMessage("Inner", "Inner body", "a@b.example"), "message/rfc822")
    return message


def test_every_part_of_a_message_arrives(mailsink):
    """As Django's own backend would have sent it, byte for byte of each attachment."""
    whole_message().send()
    plain = get_connection("django.core.mail.backends.locmem.EmailBackend")
    plain.send_messages([whole_message()])
    work()
    (kept,) = mailsink.messages()
    assert sorted(kept.rcpt_tos) == ["ada@mail.example", "blind@mail.example", "copy@mail.example"]
    (message,) = received(mailsink)
    expected = mail.outbox[-1].message()
    for name in ("Subject", "From", "To", "Cc", "Reply-To", "X-Order", "Auto-Submitted"):
        assert str(message[name]) == str(expected[name]), name
    assert message["Bcc"] is None

    def parts(of):
        return [
            (each.get_content_type(), each.get_filename(), each.get_payload(decode=True))
            for each in of.walk()
            if not each.is_multipart() or each.get_content_type() == "message/rfc822"
        ]

    shown = parts(message)
    assert [each[:2] for each in shown] == [each[:2] for each in parts(expected)]
    contents = {name: content for _, name, content in shown}
    assert contents["bytes.bin"] == bytes(range(256)) * 300
    assert contents["text.csv"].decode() == "ä,b\r\n"
    assert "Inner body" in message.as_string()


def test_an_html_body_and_an_encoding_are_kept(mailsink):
    """Which are no arguments of a message, but attributes."""
    message = EmailMessage("Subject", "<b>é</b>", "from@shop.example", ["ada@mail.example"])
    message.content_subtype, message.encoding = "html", "iso-8859-1"
    message.send()
    work()
    (found,) = received(mailsink)
    assert found.get_content_type() == "text/html"
    assert found.get_content_charset() == "iso-8859-1"
    assert found.get_content().strip() == "<b>é</b>"


class Signed(EmailMessage):
    """A message that is built in a way of its own."""

    def message(self, **options):
        built = super().message(**options)
        built["X-Signature"] = "made once"
        return built


def test_a_message_of_a_class_of_its_own_leaves_as_it_was_built(mailsink):
    """Its bytes are kept."""
    Signed("Subject", "Body", "from@shop.example", ["ada@mail.example"]).send()
    work()
    (found,) = received(mailsink)
    assert found["X-Signature"] == "made once"
    assert found["Message-ID"] == Message.objects.get().message_id


def test_send_messages_counts_what_has_a_recipient():
    """As Django's backends do; all or nothing in one transaction."""
    messages = [EmailMessage(to=["a@b.example"]), EmailMessage(), EmailMessage(bcc=["c@d.example"])]
    assert get_connection().send_messages(messages) == 2
    assert Message.objects.count() == Job.objects.count() == 2
    assert get_connection().send_messages([]) == 0
    assert EmailMessage().send() == 0


def test_what_can_not_be_sent_is_refused_at_the_call():
    """Unless the caller said that it may fail silently."""
    bad = {"subject": "two\nlines", "message": "", "from_email": None, "recipient_list": ["a@b.c"]}
    with pytest.raises(ValueError, match=r"header|newline|linefeed"):
        send_mail(**bad)
    assert send_mail(**bad, fail_silently=True) == 0
    odd = EmailMessage(to=["a@b.example"])
    odd.send_at = object()
    with pytest.raises(ValueError, match="send_at"):
        odd.send()
    assert not Message.objects.exists()


def test_what_other_backends_read_is_kept(settings):
    """Such as anymail's tags: they stand on the message that the real backend gets."""
    settings.CELERIAC = settings.CELERIAC | {
        "MAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"
    }
    message = EmailMessage("Subject", "Body", None, ["ada@mail.example"])
    message.tags, message.metadata = ["receipt"], {"order": 1042}
    message.send()
    work()
    assert (mail.outbox[-1].tags, mail.outbox[-1].metadata) == (["receipt"], {"order": 1042})


def test_options_of_a_connection_are_kept_with_the_message_and_then_forgotten(mailsink, settings):
    """The job calls the server that the caller named; a password does not outlive it."""
    settings.EMAIL_PORT, port = 1, settings.EMAIL_PORT
    connection_of = get_connection(port=port, timeout=3)
    assert EmailMessage("S", "B", None, ["a@b.example"], connection=connection_of).send() == 1
    assert Message.objects.get().options == {"port": port, "timeout": 3}
    work()
    assert mailsink.stats()["messages"] == 1
    assert Message.objects.get().options == {}


def test_an_unknown_outcome_is_sent_again_under_the_same_message_id(mailsink):
    """As a receipt is: at least once."""
    mailsink.faults(drop_rate=1.0)
    row = written()
    with pytest.raises(MailFailed):
        send_message(message_id=row.id)
    row.refresh_from_db()
    assert row.state == "unknown"
    mailsink.faults(drop_rate=0.0)
    work()
    row.refresh_from_db()
    assert (row.state, row.sends, row.resends) == ("accepted", 2, 1)
    assert mailsink.stats()["by_message_id"] == {row.message_id: 2}


class Overtaken(BaseEmailBackend):
    """A server that is away, while another run sends the message."""

    def send_messages(self, messages):
        Message.objects.update(state="accepted", accepted_at=timezone.now(), sends=F("sends") + 1)
        raise ConnectionRefusedError


def test_a_run_that_was_overtaken_writes_nothing_of_its_own_end(settings):
    """What another one knows by now stands: the message has left."""
    settings.CELERIAC = {**settings.CELERIAC, "MAIL_BACKEND": f"{__name__}.Overtaken"}
    row = written()
    with pytest.raises(MailFailed):
        send_message(message_id=row.id)
    row.refresh_from_db()
    assert (row.state, row.error) == ("accepted", "")


@pytest.mark.parametrize("lost", ["reply", "process"])
def test_a_header_asks_for_at_most_once(mailsink, lost):
    """What may have left is not sent again, and its job ends dead: somebody decides."""
    row = written(headers={"X-Celeriac-At-Most-Once": "yes"})
    if lost == "reply":
        mailsink.faults(drop_rate=1.0)
    else:
        Message.objects.filter(id=row.id).update(state="sending", sends=1)
    work()
    mailsink.faults(drop_rate=0.0)
    row.refresh_from_db()
    assert (row.state, row.sends, row.job.state) == ("unknown", 1, "dead")
    assert "may not be sent twice" in row.job.attempts.latest("number").message
    Job.objects.filter(id=row.job_id).update(state="queued", finished_at=None)
    work()
    assert mailsink.stats()["messages"] <= 1
    (found, *_) = [*received(mailsink), {}]
    assert "X-Celeriac-At-Most-Once" not in found


def test_at_most_once_still_tries_again_what_surely_did_not_leave(mailsink):
    """A refusal for now is an answer."""
    mailsink.faults(refuse_rate=1.0, refuse_code=451)
    row = written(headers={"x-celeriac-at-most-once": "1"})
    with pytest.raises(MailFailed):
        send_message(message_id=row.id)
    mailsink.faults(refuse_rate=0.0)
    work()
    row.refresh_from_db()
    assert (row.state, row.sends, row.resends) == ("accepted", 2, 0)


@pytest.mark.parametrize(("silently", "end"), [(False, "dead"), (True, "succeeded")])
def test_a_refusal_for_good_ends_the_job(mailsink, silently, end):
    """Dead, for somebody to see; or quietly, where the caller asked for that."""
    mailsink.faults(refuse_rate=1.0, refuse_code=550)
    sent = send_mail("S", "B", None, ["ada@mail.example"], fail_silently=silently)
    assert sent == 1
    work()
    row = Message.objects.get()
    assert (row.state, row.job.state, row.sends) == ("refused", end, 1)
    assert "550" in row.error


def test_a_server_that_is_away_costs_time_only(settings, circuits):
    """Nobody becomes unknown; the circuit hears of it."""
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    row = written()
    with pytest.raises(MailFailed):
        send_message(message_id=row.id)
    row.refresh_from_db()
    assert (row.state, row.resends) == ("queued", 0)


def test_a_message_is_deleted_with_its_job(mailsink):
    """Whoever deletes it, also with SQL alone."""
    row = written()
    work()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE celeriac_jobs_job SET finished_at = now() - interval '1 year'")
    assert prune.prune_jobs().jobs == 1
    assert not Message.objects.filter(id=row.id).exists()


def test_the_backend_says_what_is_missing(monkeypatch):
    """Before any mail is lost."""
    monkeypatch.setattr(backend_module.apps, "is_installed", lambda _: False)
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        get_connection()


@pytest.mark.parametrize(
    ("named", "ids"),
    [(OURS, ["celeriac_mail.E002"]), ("nowhere.Backend", ["celeriac_mail.E001"]), (None, [])],
)
def test_a_backend_that_can_not_send_is_an_error(settings, named, ids):
    """A message would be written again by its own job, for ever."""
    if named:
        settings.CELERIAC = settings.CELERIAC | {"MAIL_BACKEND": named}
    assert [each.id for each in checks.check_backend()] == ids


def test_its_page_shows_a_message_but_no_secret(admin_client, mailsink):
    """What it says, what became of it, its job; neither options nor contents."""
    message = EmailMessage("Subject", "The body", None, ["ada@mail.example"])
    message.attach("invoice.pdf", base64.b64decode("JVBERi0="), "application/pdf")
    message.connection = get_connection(username="ada", password="s3cret-word")
    message.send()
    row = Message.objects.get()
    assert row.options == {"username": "ada", "password": "s3cret-word"}
    page = admin_client.get(reverse("admin:celeriac_mail_message_change", args=[row.id]))
    text = page.content.decode()
    assert "The body" in text
    assert "invoice.pdf (application/pdf)" in text
    assert str(row.job_id) in text
    assert "s3cret-word" not in text
    listed = admin_client.get(reverse("admin:celeriac_mail_message_changelist"))
    assert "ada@mail.example" in listed.content.decode()
    assert row.job.queue == conf.MAIL_QUEUE
