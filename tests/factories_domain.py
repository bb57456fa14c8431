"""Factories of orders, payments and emails, and a hand that runs their jobs."""

from uuid import uuid4

import factory
from django.db.models import F

from apps.notifications.models import Campaign, Email, Suppression
from apps.notifications.services import campaign_create, email_create
from apps.orders.models import Order
from apps.orders.services import Line, order_create
from apps.payments.models import Operation, Payment
from apps.payments.services import payment_create
from celeriac.core.clock import Now
from celeriac.jobs.models import Job
from celeriac.jobs.running import execute
from tests.support.processes import wait_until


class LineFactory(factory.Factory):
    """A line of an order."""

    class Meta:
        model = Line

    sku = factory.Sequence(lambda number: f"sku-{number}")
    name = factory.Faker("word")
    quantity = 2
    unit_amount = 1250


class OrderFactory(factory.django.DjangoModelFactory):
    """An order as the service makes it: with its payment and jobs."""

    class Meta:
        model = Order

    email = factory.Sequence(lambda number: f"customer-{number}@shop.example")
    items = factory.List([factory.SubFactory(LineFactory)])
    currency = "eur"
    payment_method = "pm_card_visa"

    @classmethod
    def _create(cls, model_class, **fields):
        return order_create(**fields)


class PaymentFactory(factory.django.DjangoModelFactory):
    """A payment as the service makes it: with its capture and job."""

    class Meta:
        model = Payment

    reference = factory.Sequence(lambda number: f"test:{uuid4()}:{number}")
    amount = 2500
    currency = "eur"
    payment_method = "pm_card_visa"

    @classmethod
    def _create(cls, model_class, **fields):
        return payment_create(**fields)


class EmailFactory(factory.django.DjangoModelFactory):
    """An email as the service makes it: with its job."""

    class Meta:
        model = Email

    template = "orders/declined"
    recipient = factory.Sequence(lambda number: f"reader-{number}@mail.example")
    context = factory.Dict({"order": "1", "total": "1.00 EUR"})
    reference = factory.Sequence(lambda number: f"test:{uuid4()}:{number}")

    @classmethod
    def _create(cls, model_class, **fields):
        return email_create(**fields)


class CampaignFactory(factory.django.DjangoModelFactory):
    """A campaign as the service makes it: a draft to `size` readers."""

    class Meta:
        model = Campaign

    class Params:
        size = 5

    name = factory.Sequence(lambda number: f"News {number}")
    template = "notifications/announcement"
    context = factory.Dict({"subject": "News", "text": "There is news."})
    recipients = factory.LazyAttribute(lambda self: addresses(self.size))
    rate = 10_000.0

    @classmethod
    def _create(cls, model_class, **fields):
        return campaign_create(**fields)


def addresses(count):
    """Return that many addresses."""
    return [f"reader-{number}@mail.example" for number in range(count)]


class SuppressionFactory(factory.django.DjangoModelFactory):
    """An address that gets no mail."""

    class Meta:
        model = Suppression

    address = factory.Sequence(lambda number: f"gone-{number}@mail.example")
    reason = "bounce"


def capture_of(payment):
    """Return the payment's capture, read anew."""
    return Operation.objects.select_related("payment").get(payment=payment, kind="capture")


def work(rounds=12):
    """Run every queued job, waits skipped, until none is left or the rounds are over."""
    worker_context = execute.WorkerContext(worker=uuid4(), capabilities=execute.capabilities())
    for _ in range(rounds):
        waiting = Job.objects.queued().order_by("run_at", "id")
        if not waiting.exists():
            return
        waiting.filter(run_at__gt=Now()).update(run_at=Now())
        for job_id in list(waiting.values_list("id", flat=True)):
            execute.answer_doorbell([job_id], context=worker_context)


def work_until_final(payment):
    """Run jobs until the payment's capture is final; the gateway may take its time."""

    def final():
        work(rounds=1)
        return capture_of(payment).is_final

    wait_until(final, message=f"{payment} is final")


def age(payment, delta):
    """Make a payment's operations older by `delta`."""
    Operation.objects.filter(payment=payment).update(
        submitted_at=F("submitted_at") - delta, called_at=F("called_at") - delta
    )
