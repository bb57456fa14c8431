"""The domain's pages in the admin: they list, search, show, and act through services."""

import pytest
from django.urls import reverse

from apps.notifications.models import Email, Suppression
from apps.orders.models import Order
from apps.payments.models import Difference, Operation, Payment, WebhookEvent
from celeriac.console import confirmation
from celeriac.core.models import Audit
from tests.factories_domain import (
    OrderFactory,
    PaymentFactory,
    SuppressionFactory,
    capture_of,
    work,
)
from tests.support.admin import act

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(client, django_user_model):
    """Return a client that is signed in as a user who may do everything."""
    client.force_login(django_user_model.objects.create_superuser("root@shop.example", "x"))
    return client


def url_of(model, page, *arguments):
    """Return an admin page's address."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=arguments)


@pytest.fixture
def domain(gateway, mailsink):
    """Make one of everything."""
    orders = [OrderFactory() for _ in range(3)]
    work()
    WebhookEvent.objects.create(provider="stripe", event_id="evt_1", name="x", payload={})
    Difference.objects.create(kind="amount", provider="stripe", reference="r")
    SuppressionFactory()
    return orders


@pytest.mark.parametrize(
    "model", [Order, Payment, Operation, WebhookEvent, Difference, Email, Suppression]
)
def test_every_page_lists_searches_and_shows(staff, domain, model, django_assert_max_num_queries):
    """In a number of queries that rows don't add to."""
    with django_assert_max_num_queries(14):
        page = staff.get(url_of(model, "changelist"), {"q": "order"})
    assert page.status_code == 200
    row = model.objects.first()
    assert staff.get(url_of(model, "change", row.pk)).status_code == 200


def test_an_order_is_found_by_its_id_and_by_its_customer(staff, domain):
    """And by nothing else."""
    for term, count in [(str(domain[0].id), 1), (domain[1].email, 1), ("nobody@x.example", 0)]:
        page = staff.get(url_of(Order, "changelist"), {"q": term})
        assert len(page.context["cl"].result_list) == count


def test_no_field_of_a_payment_can_be_written(staff, domain):
    """A post to the form is refused."""
    payment = Payment.objects.first()
    assert staff.post(url_of(Payment, "change", payment.pk), {"amount": 1}).status_code == 403


def test_a_refund_is_an_audited_service_call(staff, domain, gateway):
    """The operator's name is in the trail."""
    payment = Payment.objects.first()
    act(staff, "refund", payment, reason="returned")
    work()
    payment.refresh_from_db()
    assert payment.refunded_amount == payment.amount
    entry = Audit.objects.get(verb="refund")
    assert (entry.actor.email, entry.reason) == ("root@shop.example", "returned")


def test_money_is_never_given_back_by_one_slip_of_the_mouse(staff, domain):
    """A verb over chosen rows names them, and asks why, and how many where they are many."""
    payment = Payment.objects.first()
    data = {"action": "refund", "_selected_action": [str(payment.pk)]}
    page = staff.post(url_of(Payment, "changelist"), data)
    assert payment.reference in page.content.decode()
    assert "25.00 EUR" in page.content.decode()
    page = staff.post(url_of(Payment, "changelist"), data | {"confirmed": "yes", "reason": " "})
    assert "This field is required" in page.content.decode()
    assert not Operation.objects.filter(kind="refund").exists()


def test_many_rows_are_confirmed_by_typing_their_number(staff, domain, monkeypatch):
    """All that the list holds, too; and more than a request can do are refused."""
    monkeypatch.setattr(confirmation, "TYPED_ABOVE", 2)
    for typed in ("", "2"):
        act(staff, "refund", *Payment.objects.all(), typed=typed)
    assert not Operation.objects.filter(kind="refund").exists()
    monkeypatch.setattr(confirmation, "MOST", 2)
    assert b"Choose 2 at most" in act(staff, "refund", *Payment.objects.all()).content
    monkeypatch.setattr(confirmation, "MOST", 3)
    act(staff, "refund", *Payment.objects.all(), typed="3")
    assert Operation.objects.filter(kind="refund").count() == 3


def test_who_may_only_look_may_not_refund(client, domain, django_user_model):
    """Each verb is a permission of its own."""
    from django.contrib.auth.models import Permission

    looker = django_user_model.objects.create_user("looker@shop.example", "x", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client.force_login(looker)
    payment = Payment.objects.first()
    act(client, "refund", payment)
    assert not Operation.objects.filter(kind="refund").exists()


def test_a_human_decides_with_the_evidence_in_sight(staff, gateway, settings):
    """The page shows what happened; a success needs the provider's id."""
    settings.PAYMENTS_LOOKUP_SETTLE_SECONDS = 0
    payment = PaymentFactory()
    gateway.script("error", when="during")
    work(rounds=20)
    operation = capture_of(payment)
    address = reverse("admin:payments_operation_decide", args=[operation.id])
    page = staff.get(address)
    assert b"capture.review" in page.content
    assert page.context["form"]["state"].value() is None  # nobody decides by not choosing
    refused = staff.post(address, {"state": "", "reason": "seen"})
    assert b"This field is required" in refused.content
    refused = staff.post(address, {"state": "succeeded", "reason": "seen"})
    assert b"needs the provider" in refused.content
    other = PaymentFactory()
    Payment.objects.filter(id=other.id).update(provider_id="pi_8", reference="order:8")
    taken = staff.post(address, {"state": "succeeded", "provider_id": "pi_8", "reason": "seen"})
    assert (taken.status_code, operation.payment.state) == (200, "unknown")
    assert b"pi_8 is the charge of order:8" in taken.content
    staff.post(address, {"state": "succeeded", "provider_id": "pi_9", "reason": "seen"})
    payment.refresh_from_db()
    assert (payment.state, payment.provider_id) == ("succeeded", "pi_9")
    assert Audit.objects.get(verb="decide succeeded").reason == "seen"


def test_other_actions_go_through_services_too(staff, domain, mailsink):
    """Cancel, close, resend, suppress, unsuppress: each leaves an audit row."""
    act(staff, "cancel", OrderFactory())
    act(staff, "close", Difference.objects.get())
    Email.objects.filter(id=Email.objects.first().id).update(state="failed")
    act(staff, "resend", Email.objects.get(state="failed"))
    add = {"address": "x@y.example", "reason": "operator", "note": "asked"}
    staff.post(reverse("admin:notifications_suppression_add"), add)
    row = Suppression.objects.get(address="x@y.example")
    staff.post(url_of(Suppression, "delete", row.pk), {"post": "yes"})
    assert not Suppression.objects.filter(address="x@y.example").exists()
    verbs = set(Audit.objects.values_list("verb", flat=True))
    assert {"cancel", "close", "resend", "suppress", "unsuppress"} <= verbs
