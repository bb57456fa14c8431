"""Mail through a provider's HTTP API, by anymail, against a stand-in for Postmark."""

import json

import pytest

from apps.notifications import selectors, services
from apps.notifications.errors import MailNotSent, MailOutcomeUnknown
from apps.notifications.models import Recipient
from sandbox.common.http import Hangup, LoopbackServer, Response
from tests.factories_domain import CampaignFactory, EmailFactory, work

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "SubmittedAt": "2026-11-21"}


class Postmark:
    """What it was sent, and what it answers."""

    def __init__(self):
        """Answer well until told otherwise."""
        self.sent, self.answer = [], None

    def __call__(self, request):
        """Keep the message and answer."""
        self.sent.append(json.loads(request.body))
        return self.answer or Response.of_json({**GOOD, "To": self.sent[-1]["To"]})


@pytest.fixture
def postmark(circuits, settings):
    """Yield a running stand-in that the settings point to."""
    stand_in = Postmark()
    server = LoopbackServer(stand_in)
    server.start()
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "t", "POSTMARK_API_URL": f"{server.url}/"}
    yield stand_in
    server.stop()


def test_the_providers_id_is_kept(postmark):
    """And ours goes along."""
    email = services.email_send(email_id=EmailFactory().id)
    assert (email.state, email.provider_id) == ("accepted", "pm-1")
    headers = {header["Name"]: header["Value"] for header in postmark.sent[0]["Headers"]}
    assert headers["Message-ID"] == email.message_id


@pytest.mark.parametrize(
    ("answer", "error", "state"),
    [
        (Hangup.RESET, MailOutcomeUnknown, "unknown"),
        (Response.of_json({}, 500), MailOutcomeUnknown, "unknown"),
        (Response.of_json({}, 429, Retry_After="7"), MailNotSent, "queued"),
    ],
    ids=["reset", "500", "429"],
)
def test_what_no_answer_means(postmark, answer, error, state):
    """A broken call may have been heard; a refused rate was not executed."""
    email = EmailFactory()
    postmark.answer = answer
    with pytest.raises(error) as caught:
        services.email_send(email_id=email.id)
    email.refresh_from_db()
    assert email.state == state
    assert caught.value.retry_after == (7.0 if state == "queued" else None)


def test_a_provider_that_refuses_connections_was_sent_nothing(postmark, settings):
    """Not unknown."""
    settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": "http://127.0.0.1:9/"}
    email = EmailFactory()
    with pytest.raises(MailNotSent):
        services.email_send(email_id=email.id)


def test_a_refused_message_has_failed(postmark):
    """422 is an answer."""
    postmark.answer = Response.of_json({"ErrorCode": 300, "Message": "no"}, 422)
    assert services.email_send(email_id=EmailFactory().id).state == "failed"


def test_a_campaign_goes_through_a_provider_too(postmark):
    """With the headers to leave, and each address once."""
    campaign = CampaignFactory(size=3)
    services.campaign_start(campaign_id=campaign.id, actor="cli")
    work()
    assert selectors.campaign_counts(campaign.id)["accepted"] == 3
    assert sorted(message["To"] for message in postmark.sent) == [
        recipient.address for recipient in Recipient.objects.order_by("address")
    ]
    names = {header["Name"] for header in postmark.sent[0]["Headers"]}
    assert {"List-Unsubscribe", "List-Unsubscribe-Post", "Message-ID"} <= names
