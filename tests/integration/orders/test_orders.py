"""An order is paid and its receipt mailed, through the ledger. Real HTTP and SMTP."""

import email
import re
from email.policy import default

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DataError, IntegrityError, connection, transaction
from django.urls import reverse

from apps.notifications.models import Email
from apps.orders import services
from apps.orders.errors import InvalidOrder
from apps.orders.models import Order
from apps.payments import followups
from apps.payments.errors import InvalidAmount, WrongState
from apps.payments.models import Payment
from celeriac.jobs.models import Job
from tests.factories_domain import LineFactory, OrderFactory, PaymentFactory, work

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_its_payment_and_its_job_are_one_transaction():
    """After a rollback none of them is there."""
    with transaction.atomic():
        OrderFactory()
        transaction.set_rollback(True)
    assert not Order.objects.exists()
    assert not Payment.objects.exists()
    assert not Job.objects.exists()


def test_an_order_is_placed_with_its_total():
    """Two items, one payment over their sum, one job that names it."""
    order = OrderFactory(items=[LineFactory(), LineFactory(quantity=1, unit_amount=99)])
    assert (order.state, order.total_amount, order.payment.amount) == ("placed", 2599, 2599)
    assert order.items.count() == 2
    job = Job.objects.get()
    assert (job.kind, job.args) == ("payments.capture", {"payment_id": str(order.payment_id)})


def test_a_payment_that_nobody_follows_is_refused_at_the_start(monkeypatch):
    """Orders that would never hear that they are paid stop every command."""
    assert followups.check_follow_ups() == []
    monkeypatch.delitem(followups._follow_ups, Order)
    with pytest.raises(SystemCheckError, match=r"payments.E001.*orders.Order has a payment"):
        call_command("check")


def test_a_relation_without_a_way_back_needs_a_follow_up_too(monkeypatch, request):
    """Its model would as little hear that it is paid."""
    request.addfinalizer(Payment._meta._expire_cache)
    relation = Order._meta.get_field("payment").remote_field
    monkeypatch.setattr(relation, "hidden", True)
    Payment._meta._expire_cache()
    assert Order not in {each.related_model for each in Payment._meta.related_objects}
    monkeypatch.delitem(followups._follow_ups, Order)
    assert [each.id for each in followups.check_follow_ups()] == ["payments.E001"]


def test_an_order_and_its_payment_settle_together(gateway, mailsink, monkeypatch):
    """Where what follows fails, the payment is not settled either."""

    def fail(**_):
        raise RuntimeError("no receipt")

    order = OrderFactory()
    monkeypatch.setitem(followups._follow_ups, Order, followups.FollowUp(fail, fail))
    work(rounds=1)
    order.refresh_from_db()
    assert (order.state, order.payment.state) == ("placed", "submitted")


def test_a_paid_order_gets_one_receipt(gateway, mailsink):
    """By Message-ID, with text and HTML that name the total."""
    order = OrderFactory(email="anna@shop.example")
    work()
    order.refresh_from_db()
    assert order.state == "paid"
    row = Email.objects.get()
    assert (row.state, row.template, row.resends_after_unknown) == ("accepted", "orders/receipt", 0)
    (received,) = mailsink.messages()
    assert received.message_id == row.message_id
    assert received.rcpt_tos == ["anna@shop.example"]
    message = email.message_from_bytes(received.raw, policy=default)
    for kind in ("plain", "html"):
        assert "25.00 EUR" in message.get_body((kind,)).get_content()


@pytest.mark.parametrize(("currency", "total"), [("jpy", "2500 JPY"), ("huf", "25.00 HUF")])
def test_a_receipt_names_the_total_as_its_currency_counts(gateway, mailsink, currency, total):
    """Yen have no decimals; forints have, whatever prices are written like."""
    OrderFactory(currency=currency)
    work()
    (received,) = mailsink.messages()
    message = email.message_from_bytes(received.raw, policy=default)
    for kind in ("plain", "html"):
        assert total in message.get_body((kind,)).get_content()


@pytest.mark.parametrize("currency", ["zzz", "xau", "euro", "€"])
def test_a_currency_that_is_none_is_refused_where_it_is_written(currency):
    """By the order's service and by the payment's own."""
    with pytest.raises(InvalidOrder, match="currency in ISO 4217"):
        OrderFactory(currency=currency)
    with pytest.raises(InvalidAmount, match="currency in ISO 4217"):
        PaymentFactory(currency=currency)


def test_settling_twice_writes_one_receipt(gateway):
    """Order and payment stand; a second signal changes nothing."""
    order = OrderFactory()
    work(rounds=1)
    payment = Payment.objects.get()
    with transaction.atomic():
        services.order_settle(payment=payment)
    order.refresh_from_db()
    assert order.state == "paid"
    assert Email.objects.count() == 1
    assert Job.objects.filter(kind="notifications.send").count() == 1


def test_a_declined_order_gets_a_notice_and_no_receipt(gateway, mailsink):
    """The customer was not charged and is told so."""
    order = OrderFactory(payment_method="pm_card_chargeDeclined")
    work()
    order.refresh_from_db()
    assert (order.state, Email.objects.get().template) == ("declined", "orders/declined")
    assert gateway.charges() == []
    assert len(mailsink.messages()) == 1


def test_an_order_that_was_not_sent_is_cancelled_at_once(gateway):
    """Its payment too; the job that comes later finds nothing to do."""
    order = services.order_cancel(order_id=OrderFactory().id, actor="cli", reason="changed mind")
    assert (order.state, order.payment.state) == ("cancelled", "cancelled")
    work()
    assert gateway.charges() == []
    with pytest.raises(WrongState):
        services.order_cancel(order_id=order.id)


def test_the_receipt_and_the_payment_commit_together(gateway, monkeypatch):
    """A receipt that can't be written takes the payment's success back; the next run repeats it."""
    order = OrderFactory()
    with monkeypatch.context() as patch:
        patch.setattr(services, "receipt_context", lambda order: 1 / 0)
        work(rounds=1)
    order.refresh_from_db()
    assert (order.state, Payment.objects.get().state) == ("placed", "submitted")
    assert not Email.objects.exists()
    work()
    order.refresh_from_db()
    assert order.state == "paid"
    assert len(gateway.charges()) == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"email": "nobody"}, "email"),
        ({"items": []}, "items"),
        ({"currency": "euro"}, "currency"),
    ],
)
def test_a_senseless_order_is_refused_and_says_why(fields, named):
    """The error names the field."""
    with pytest.raises(InvalidOrder) as caught:
        OrderFactory(**fields)
    assert list(caught.value.details["errors"]) == [named]


def test_an_order_over_nothing_can_not_be_paid():
    """Zero is no amount; nothing is written."""
    with pytest.raises(InvalidAmount):
        OrderFactory(items=[LineFactory(unit_amount=0)])
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("payments_payment", "amount = 0"),
        ("payments_payment", "currency = 'EURO'"),
        ("payments_payment", "refunded_amount = 1"),
        ("payments_payment", "captured_amount = 1"),
        ("payments_payment", "state = 'succeeded'"),
        ("payments_payment", "state = 'lost'"),
        ("payments_operation", "state = 'unknown'"),
        ("payments_operation", "params_hash = ''"),
        ("orders_order", "state = 'paid'"),
        ("orders_order", "total_amount = 0"),
        ("orders_order", "refunded_amount = total_amount + 1"),
    ],
)
def test_the_database_refuses_what_can_not_be(table, change):
    """Whoever writes it, by whatever way."""
    OrderFactory()
    with (
        pytest.raises((IntegrityError, DataError), match=r"violates|too long"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE {table} SET {change}")  # noqa: S608 the cases above


def test_an_orders_page_leads_to_its_jobs_and_mails_and_its_id_finds_them(
    gateway, mailsink, admin_client
):
    """The jobs know the payment, the operations and the mails, and none of them the order."""
    other, order = OrderFactory(), OrderFactory()
    work()
    assert Order.objects.filter(state="paid").count() == 2
    page = admin_client.get(reverse("admin:orders_order_change", args=[order.id]))
    links = dict(re.findall(r'href="([^"]+)">(its \w+)<', page.content.decode()))
    places = {text: place.replace("&amp;", "&") for place, text in links.items()}
    mails = admin_client.get(places["its mails"]).context["cl"].queryset
    assert [mail.reference for mail in mails] == [order.reference]
    assert admin_client.get(places["its payment"]).status_code == 200
    jobs = admin_client.get(places["its jobs"]).context["cl"].queryset
    assert {job.kind for job in jobs} == {"payments.capture", "notifications.send"}
    assert not {str(other.payment_id)} & {job.args.get("payment_id") for job in jobs}
