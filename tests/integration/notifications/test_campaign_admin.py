"""Campaigns in the admin: written, started, stopped and looked into, each by a service."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.notifications import services
from apps.notifications.models import Campaign, Recipient
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from tests.factories_domain import CampaignFactory, work
from tests.support.admin import act

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:notifications_campaign_changelist")


@pytest.fixture
def staff(client, django_user_model):
    """Return a client that is signed in as a user who may do everything."""
    client.force_login(django_user_model.objects.create_superuser("root@shop.example", "x"))
    return client


def write(staff, **changes):
    """Post the form for a new campaign."""
    values = {
        "name": "Spring",
        "rate": "5",
        "subject": "It is spring",
        "text": "Come & see.\n\nSoon.",
        "addresses": "Ada@mail.example\n\nada@mail.example\nbob@mail.example\n",
    }
    return staff.post(reverse("admin:notifications_campaign_add"), values | changes)


def test_an_operator_writes_a_campaign_and_starts_it(staff, mailsink):
    """Text and HTML parts, doubles once, the writer's name kept."""
    assert staff.get(reverse("admin:notifications_campaign_add")).status_code == 200
    assert write(staff).status_code == 302
    campaign = Campaign.objects.get()
    assert (campaign.total, campaign.created_by.email) == (2, "root@shop.example")
    act(staff, "start", campaign)
    work()
    first, _ = mailsink.messages()
    body = first.raw.decode()
    assert first.subject == "It is spring"
    assert "Come & see." in body
    assert "Come &amp; see." in body
    assert set(Audit.objects.values_list("verb", flat=True)) == {"create", "start"}


@pytest.mark.parametrize("wrong", [{"addresses": "nobody"}, {"rate": "0"}, {"subject": ""}])
def test_a_form_that_does_not_fit_is_refused(staff, wrong):
    """Nothing is written."""
    assert write(staff, **wrong).status_code == 200
    assert not Campaign.objects.exists()


def test_the_page_counts_and_links_to_those_unknown(staff, mailsink):
    """And to the job."""
    campaign = CampaignFactory(size=3)
    services.campaign_start(campaign_id=campaign.id, actor="cli")
    mailsink.faults(drop_rate=1.0)
    work(rounds=1)
    page = staff.get(reverse("admin:notifications_campaign_change", args=[campaign.pk]))
    assert "3 unknown" in page.content.decode()
    assert str(Job.objects.get().pk) in page.content.decode()
    listed = reverse("admin:notifications_recipient_changelist")
    query = {"campaign__id__exact": str(campaign.pk), "state": "unknown"}
    found = staff.get(listed, query)
    assert len(found.context["cl"].result_list) == 3
    act(staff, "cancel", campaign)
    campaign.refresh_from_db()
    assert campaign.state == "cancelled"


def test_lists_cost_the_same_however_long_they_are(staff, django_assert_max_num_queries):
    """A page of campaigns, a page of recipients."""
    for _ in range(5):
        CampaignFactory()
    for page in [LIST, reverse("admin:notifications_recipient_changelist")]:
        with django_assert_max_num_queries(14):
            assert staff.get(page, {"q": "reader"}).status_code == 200
    row = Recipient.objects.first()
    change = reverse("admin:notifications_recipient_change", args=[row.pk])
    assert staff.get(change).status_code == 200


def test_who_may_only_look_may_neither_write_nor_start(client, django_user_model):
    """Each verb is a permission of its own."""
    looker = django_user_model.objects.create_user("looker@shop.example", "x", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_campaign"))
    client.force_login(looker)
    campaign = CampaignFactory()
    act(client, "start", campaign)
    assert write(client).status_code == 403
    campaign.refresh_from_db()
    assert campaign.state == "draft"
