"""The features in the words of those who use them: features/*.feature.

Real PostgreSQL, Valkey, gateway and mail server; the jobs run in this process, waits skipped.
"""

import email
from email.policy import default

import pytest
from django.contrib.auth.models import Group
from pytest_bdd import given, parsers, scenarios, then, when

from apps.notifications.models import Email
from apps.orders.models import Order
from celeriac import enqueue
from celeriac.breakers import services as breakers
from celeriac.breakers.api import breaker_statuses
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from tests.factories import UserFactory
from tests.factories_domain import LineFactory, OrderFactory, work
from tests.factories_rows import EmailRowFactory
from tests.integration.ops.bulk_actions_support import apply_url, confirmation
from tests.support.providers import (  # noqa: F401 fixtures
    _gateway_server,
    _mailsink_server,
    circuits,
    gateway,
    mailsink,
)

scenarios("features")


@pytest.fixture(autouse=True)
def _surroundings(transactional_db, gateway, mailsink):  # noqa: F811 the fixtures above
    """Have a database that commits, a payment provider and a mail server."""


@pytest.fixture
def operator(client):
    """Return an operator, signed in to the admin."""
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    client.force_login(user)
    return user


@given("the payment provider's next answer gets lost")
def _(gateway):  # noqa: F811 the fixture above
    gateway.script("drop", endpoint="confirm")


@given("the payment provider is away")
def _(gateway):  # noqa: F811 the fixture above
    gateway.down()


@when("the payment provider is back")
def _(gateway):  # noqa: F811 the fixture above
    gateway.up()


@given("a message whose template does not exist", target_fixture="message")
def _():
    row = EmailRowFactory(template="orders/nowhere", context={"order": "1", "total": "1.00 EUR"})
    enqueue("notifications.send", {"email_id": row.id})
    return row


@when("somebody adds the template")
def _(message):
    Email.objects.filter(pk=message.pk).update(template="orders/declined")


@when("a customer orders tea for 25.00 EUR")
def _():
    OrderFactory(items=[LineFactory(name="tea", quantity=1, unit_amount=2500)])


@when(parsers.parse("{count:d} customers order tea for 25.00 EUR"))
def _(count):
    OrderFactory.create_batch(count, items=[LineFactory(quantity=1, unit_amount=2500)])


@when("the platform does its work")
def _():
    work()


@when("an operator closes the circuit")
def _(operator):
    breakers.clear("payments", actor=operator, reason="the provider is back")


@when(parsers.parse('an operator retries the job in the admin, because "{reason}"'))
def _(client, operator, reason):
    confirmation(client, apply_url("retry", state="dead"), reason=reason)


@then("every order is paid")
def _():
    assert set(Order.objects.values_list("state", flat=True)) == {"paid"}


@then("every order waits")
def _():
    assert set(Order.objects.values_list("state", flat=True)) == {"placed"}


@then("the circuit to the payment provider is open")
def _():
    (circuit,) = breaker_statuses(["payments"])
    assert circuit.state == "open"


@then("no job has died")
def _():
    assert not Job.objects.dead().exists()


@then("the message's job is dead")
def _():
    assert "orders/nowhere" in Job.objects.dead().get().error


@then("every customer was charged once")
def _(gateway):  # noqa: F811 the fixture above
    references = {order.reference for order in Order.objects.all()}
    assert gateway.stats()["charges"]["by_reference"] == dict.fromkeys(references, 1)


@then("every customer has one receipt over 25.00 EUR")
def _(mailsink):  # noqa: F811 the fixture above
    readers = sorted(Order.objects.values_list("email", flat=True))
    received = mailsink.messages()
    assert sorted(reader for each in received for reader in each.rcpt_tos) == readers
    for each in received:
        message = email.message_from_bytes(each.raw, policy=default)
        assert "25.00 EUR" in message.get_body(("plain",)).get_content()


@then("the message has arrived once")
def _(mailsink, message):  # noqa: F811 the fixture above
    assert mailsink.stats()["by_message_id"] == {message.message_id: 1}


@then("the audit trail tells who retried the job, and why")
def _(operator):
    entry = Audit.objects.get(verb="job.retry")
    assert (entry.actor, entry.reason) == (operator, "the template is there now")
