"""The suppression list is fed by those who leave and by what the provider tells."""

import base64
import json

import pytest
from django.urls import reverse

import config.urls
from apps.notifications import selectors, services, urls
from apps.notifications.models import Suppression
from apps.notifications.unsubscribe import token_for, url_for
from celeriac.core.models import Audit
from tests.factories_domain import EmailFactory
from tests.support.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "hook:s3cret"


def link(address="ada@mail.example"):
    """Return the path of an address's own link."""
    return reverse("notifications:unsubscribe", args=[token_for(address)])


def test_get_asks_and_changes_nothing(client):
    """Scanners follow every link."""
    page = client.get(link())
    assert page.status_code == 200
    assert b"ada@mail.example" in page.content
    assert b'<form method="post">' in page.content
    assert client.head(link()).status_code == 200
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("body", [{"List-Unsubscribe": "One-Click"}, {}], ids=["program", "page"])
def test_a_post_unsubscribes_at_once_without_login_cookie_or_redirect(body):
    """RFC 8058; again is harmless, and audited once."""
    from django.test import Client

    stranger = Client(enforce_csrf_checks=True)
    for _ in range(2):
        answer = stranger.post(link("Ada@Mail.example"), body)
        assert (answer.status_code, answer.cookies) == (200, {})
    row = Suppression.objects.get()
    assert (row.address, row.reason) == ("ada@mail.example", "unsubscribe")
    assert Audit.objects.get().verb == "suppress"
    assert selectors.is_suppressed("ADA@mail.example", "bulk")
    assert not selectors.is_suppressed("ada@mail.example", "transactional")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_damaged_token_suppresses_nobody(client, method):
    """Nobody takes others off the list by guessing."""
    answer = getattr(client, method)(
        reverse("notifications:unsubscribe", args=[token_for("a@b.example")[:-1]])
    )
    assert answer.status_code == 404
    assert not Suppression.objects.exists()


def test_other_methods_are_refused(client):
    """405."""
    assert client.delete(link()).status_code == 405


def test_the_link_is_absolute(settings):
    """Whether or not PUBLIC_URL ends with a slash."""
    settings.PUBLIC_URL = "https://news.example/"
    assert url_for("a@b.example").startswith("https://news.example/unsubscribe/")


def test_two_at_once_make_one_row():
    """Neither fails."""
    at_once(4, lambda number: services.suppress(address="x@y.example", reason="bounce").id)
    assert Suppression.objects.count() == 1


@pytest.fixture
def hook(client, settings):
    """Return a poster of Postmark's events to a site that is configured for Postmark."""
    settings.EMAIL_PROVIDER = "postmark"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "t", "WEBHOOK_SECRET": SECRET}
    settings.ROOT_URLCONF = (*config.urls.urlpatterns, *urls.mail_events())

    def post(event, secret=SECRET):
        return client.post(
            "/webhooks/mail/postmark/tracking/",
            event if isinstance(event, str) else json.dumps(event),
            content_type="application/json",
            headers={"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()},
        )

    return post


def bounce(kind="HardBounce", email="Gone@mail.example"):
    """Return a bounce as Postmark tells it."""
    return {
        "RecordType": "Bounce",
        "Type": kind,
        "Email": email,
        "ID": 42,
        "MessageID": "m-1",
        "BouncedAt": "2026-11-21T09:00:00Z",
        "Description": "The server was unable to deliver your message",
    }


def test_an_event_that_can_not_be_read_is_a_400(hook):
    """Whoever has the secret may err: nested a hundred thousand deep, or cut short."""
    for body in ("[" * 100_000, '{"RecordType": '):
        assert hook(body).status_code == 400
    assert not Suppression.objects.exists()


def test_a_bounce_that_the_provider_tells_suppresses_the_address(hook):
    """Twice told, once written; bulk and receipts alike."""
    assert hook(bounce()).status_code == 200
    assert hook(bounce()).status_code == 200
    row = Suppression.objects.get()
    assert (row.address, row.reason) == ("gone@mail.example", "bounce")
    assert "Postmark" in row.note
    assert selectors.is_suppressed("gone@mail.example", "transactional")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({**bounce(), "RecordType": "SpamComplaint", "Type": "SpamComplaint"}, "complaint"),
        (
            {
                "RecordType": "SubscriptionChange",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
                "Recipient": "gone@mail.example",
                "ChangedAt": "2026-11-21T09:00:00Z",
            },
            "unsubscribe",
        ),
        (bounce("BadEmailAddress"), "bounce"),
        (bounce("Blocked"), None),
        (bounce("DnsError"), None),
        (
            {
                "RecordType": "Delivery",
                "Recipient": "gone@mail.example",
                "DeliveredAt": "2026-11-21T09:00:00Z",
            },
            None,
        ),
    ],
    ids=["complaint", "unsubscribe", "no address", "blocked", "no DNS", "delivered"],
)
def test_each_event_has_its_reason_or_none(hook, event, reason):
    """What passes, or is about the message, suppresses nobody."""
    assert hook(event).status_code == 200
    assert list(Suppression.objects.values_list("reason", flat=True)) == [reason][: bool(reason)]


@pytest.mark.parametrize(
    "spelling",
    ["GONE@xn--mnchen-3ya.example", "Gone@MÜNCHEN.example.", "<gone@münchen.example>"],
)
def test_an_events_address_is_the_rows_whatever_its_spelling(hook, spelling):
    """The provider writes it in its own way."""
    email = EmailFactory(recipient="Gone Anna <gone@München.example>", message_class="bulk")
    assert hook(bounce(email=spelling)).status_code == 200
    assert selectors.is_suppressed(email.recipient, "bulk")


def test_an_event_about_no_address_is_taken_and_noted(hook, caplog):
    """Refused, it would come again for ever."""
    assert hook(bounce(email="MAILER-DAEMON")).status_code == 200
    assert not Suppression.objects.exists()
    assert "'MAILER-DAEMON' is no address" in caplog.text


def test_an_event_without_the_secret_is_refused(hook):
    """Else anybody could silence anybody."""
    assert hook(bounce(), secret="hook:guess").status_code == 400
    assert not Suppression.objects.exists()


def test_without_a_secret_there_is_no_webhook(settings):
    """Neither for a provider nor for SMTP."""
    assert urls.mail_events() == []
    settings.EMAIL_PROVIDER = "postmark"
    assert urls.mail_events() == []
