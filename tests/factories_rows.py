"""A factory of a valid row for every model that has none elsewhere, written as it stands.

Those of the shop that go through a service (factories_domain.py) make jobs along; these don't.
"""

from datetime import UTC, datetime
from uuid import uuid4

import factory
from django.apps import apps
from django.utils import timezone

from apps.accounts.models import FailedSignIn
from apps.notifications.models import Campaign, Email, Recipient
from apps.orders.models import Item, Order
from apps.payments.models import Difference, Operation, Payment, PaymentEvent, WebhookEvent
from celeriac.breakers.models import Breaker, Transition
from celeriac.console.models import BulkAction, GroupGrant as RoleGrant
from celeriac.core.models import Audit, AuditBatch, Counter
from celeriac.http.models import Secret
from celeriac.jobs.models import (
    Dispatcher,
    Emission,
    HandedBack,
    LargeCall,
    Node,
    NodeEdge,
    Queue,
    Route,
    SearchTerm,
    ShadowCall,
    ShadowGap,
    ShadowRun,
    Sign,
    Worker,
)
from celeriac.mail.models import Message
from celeriac.monitoring.models import ErrorRollup, Pass, Rollup, Sample
from celeriac.schedules.models import Beat, Policy, Tick
from tests import factories, factories_api, factories_domain, factories_schedules

Row = factory.django.DjangoModelFactory
MINUTE = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)


def unique(prefix):
    """Return a declaration of a text that no other row has."""
    return factory.Sequence(lambda number: f"{prefix}-{number}")


class AuditFactory(Row):
    """Something that somebody did."""

    class Meta:
        model = Audit

    verb = "job.retry"
    target_type = "job"
    actor_name = "ann@example.com"


class AuditBatchFactory(Row):
    """What one batch of a bulk action changed."""

    class Meta:
        model = AuditBatch

    targets = factory.LazyFunction(lambda: [uuid4()])
    audit = factory.SubFactory(AuditFactory)


class TallyFactory(Row):
    """A counter's total."""

    class Meta:
        model = Counter

    series = factory.Sequence(lambda number: f'["counter", "{number}"]')
    cells = factory.LazyFunction(lambda: [1])


class BreakerFactory(Row):
    """A closed circuit."""

    class Meta:
        model = Breaker

    name = unique("breaker")


class TransitionFactory(Row):
    """A circuit's move."""

    class Meta:
        model = Transition

    from_state = "closed"
    to_state = "open"
    breaker = factory.SubFactory(BreakerFactory)


class DispatcherFactory(Row):
    """A dispatcher that lives."""

    class Meta:
        model = Dispatcher

    name = unique("dispatcher")


class QueueFactory(Row):
    """A queue that nobody holds."""

    class Meta:
        model = Queue

    name = unique("queue")


class SearchTermFactory(Row):
    """What a job is found by."""

    class Meta:
        model = SearchTerm

    job_id = factory.LazyFunction(uuid4)
    field = "order_id"
    value = unique("order")


class SignFactory(Row):
    """A worker's sign of life."""

    class Meta:
        model = Sign

    worker = factory.LazyFunction(uuid4)


class WorkerFactory(Row):
    """A worker that lives."""

    class Meta:
        model = Worker

    name = unique("worker")
    host = "host"
    pid = 1
    slots = 2


class PolicyFactory(Row):
    """The policy that a new schedule is given."""

    class Meta:
        model = Policy

    @classmethod
    def _create(cls, model_class, **fields):
        task = factories_schedules.PeriodicTaskFactory()
        model_class.objects.filter(pk=task.pk).update(**fields)
        return model_class.objects.get(pk=task.pk)


class TickFactory(Row):
    """A time of a schedule that was skipped."""

    class Meta:
        model = Tick

    scheduled_for = MINUTE
    status = "skipped"
    periodic_task = factory.SubFactory(factories_schedules.PeriodicTaskFactory)


class BeatFactory(Row):
    """A beat that lives."""

    class Meta:
        model = Beat

    host = "host"
    pid = 1


class RollupFactory(Row):
    """A minute of one kind in one queue."""

    class Meta:
        model = Rollup

    span = 60
    at = MINUTE
    queue = "default"
    kind = "test.note"


class ErrorRollupFactory(Row):
    """A minute of one error."""

    class Meta:
        model = ErrorRollup

    span = 60
    at = MINUTE
    error_class = "ValueError"
    dead = 1


class SampleFactory(Row):
    """What a queue held."""

    class Meta:
        model = Sample

    span = 60
    at = MINUTE
    queue = "default"
    waiting = parked = running = 0
    oldest = 0.0


class PassFactory(Row):
    """A run of the roll-up."""

    class Meta:
        model = Pass

    upto = MINUTE


class BulkActionFactory(Row):
    """An action over a filter that waits."""

    class Meta:
        model = BulkAction

    verb = "retry"
    reason = "test"
    cutoff = factory.LazyFunction(timezone.now)
    audit = factory.SubFactory(AuditFactory)


class LargeCallFactory(Row):
    """Arguments that stand beside their job."""

    class Meta:
        model = LargeCall

    job_id = factory.LazyFunction(uuid4)
    text = "[]"


class RouteFactory(Row):
    """Where the calls of some tasks go."""

    class Meta:
        model = Route

    pattern = unique("acme.mail")
    share = 5.0
    edit = factory.Sequence(lambda number: number)
    reason = "to try it"


class HandedBackFactory(Row):
    """A job that became a plain message."""

    class Meta:
        model = HandedBack

    job_id = factory.LazyFunction(uuid4)
    task = "acme.note"
    task_id = unique("call")
    call = "{}"
    tries = factory.LazyFunction(lambda: [timezone.now()])


class ShadowCallFactory(Row):
    """A plain call that was noted."""

    class Meta:
        model = ShadowCall

    task = "acme.note"
    task_id = unique("call")


class ShadowRunFactory(Row):
    """A plain start that was noted."""

    class Meta:
        model = ShadowRun

    id = factory.LazyFunction(uuid4)
    task = "acme.note"
    task_id = unique("call")
    host = "here"
    pid = 1


class ShadowGapFactory(Row):
    """Notes that were lost."""

    class Meta:
        model = ShadowGap

    host = "here"
    pid = 1
    notes = 3
    why = "the database was slow"


class NodeFactory(Row):
    """A flow of its own that is open."""

    class Meta:
        model = Node

    id = factory.LazyFunction(uuid4)
    flow = factory.SelfAttribute("id")
    name = unique("flow")
    form = "flow"
    state = "open"
    opened_at = MINUTE


class NodeEdgeFactory(Row):
    """What a node waits for."""

    class Meta:
        model = NodeEdge

    before = factory.LazyFunction(uuid4)
    after = factory.LazyFunction(uuid4)
    condition = "done"


class EmissionFactory(Row):
    """An event that came."""

    class Meta:
        model = Emission

    id = factory.LazyFunction(uuid4)
    name = unique("event")
    key = "7"


class MessageFactory(Row):
    """A message that waits for its job."""

    class Meta:
        model = Message

    subject = "Receipt"
    from_email = "from@shop.example"
    to = factory.LazyFunction(lambda: ["ada@mail.example"])
    message_id = unique("<id>")
    job = factory.SubFactory(factories.JobFactory)


class RoleGrantFactory(Row):
    """A permission that a group was given."""

    class Meta:
        model = RoleGrant

    group = "viewer"
    permission = unique("app.view")


class SecretFactory(Row):
    """A secret that lives."""

    class Meta:
        model = Secret

    digest = factory.Sequence(lambda number: f"{number:064x}")
    hint = "celeriac_abcd"
    account = factory.SubFactory(factories_api.ServiceAccountFactory)


class FailedSignInFactory(Row):
    """A wrong password."""

    class Meta:
        model = FailedSignIn

    username = "ann@example.com"
    ip_address = "192.0.2.1"
    failures_since_start = 1


class PaymentRowFactory(Row):
    """A payment that nobody has asked the provider for."""

    class Meta:
        model = Payment

    reference = unique("row")
    amount = 2500
    currency = "eur"
    payment_method = "pm_card_visa"


class OperationFactory(Row):
    """A refund that waits."""

    class Meta:
        model = Operation

    kind = "refund"
    amount = 100
    idempotency_key = unique("key")
    params = factory.LazyFunction(dict)
    params_hash = "0" * 64
    payment = factory.SubFactory(PaymentRowFactory)


class PaymentEventFactory(Row):
    """A line of a payment's history."""

    class Meta:
        model = PaymentEvent

    name = "created"
    source = "test"
    payment = factory.SubFactory(PaymentRowFactory)


class DifferenceFactory(Row):
    """A disagreement that is open."""

    class Meta:
        model = Difference

    kind = "missing_here"
    provider = "stripe"
    provider_id = unique("pi")


class WebhookEventFactory(Row):
    """An event as a provider told it."""

    class Meta:
        model = WebhookEvent

    provider = "stripe"
    event_id = unique("evt")
    name = "payment_intent.succeeded"
    payload = factory.LazyFunction(dict)


class OrderRowFactory(Row):
    """An order that was placed."""

    class Meta:
        model = Order

    email = unique("customer@shop.example")
    currency = "eur"
    total_amount = 2500
    payment = factory.SubFactory(PaymentRowFactory)


class ItemFactory(Row):
    """A line of an order."""

    class Meta:
        model = Item

    sku = unique("sku")
    name = "Tea"
    quantity = 1
    unit_amount = 2500
    order = factory.SubFactory(OrderRowFactory)


class CampaignRowFactory(Row):
    """A draft without readers."""

    class Meta:
        model = Campaign

    name = unique("news")
    template = "notifications/announcement"


class RecipientFactory(Row):
    """A reader who waits."""

    class Meta:
        model = Recipient

    address = unique("reader@mail.example")
    campaign = factory.SubFactory(CampaignRowFactory)


class EmailRowFactory(Row):
    """A message that waits."""

    class Meta:
        model = Email

    recipient = "reader@mail.example"
    template = "orders/declined"
    message_id = factory.Sequence(lambda number: f"<{number}@mail.example>")


def factories_by_model():
    """Return the factories of each model, a plain row's last."""
    modules = (factories, factories_api, factories_schedules, factories_domain)
    found = [each for module in modules for each in vars(module).values()]
    found += [each for each in globals().values() if each is not Row]
    made = [each for each in found if isinstance(each, type) and issubclass(each, Row)]
    return {each._meta.model: each for each in made if each._meta.model}


def our_models():
    """Return the models of the library and of the shop that have a table or stand for one."""
    return [
        model
        for model in apps.get_models(include_auto_created=False)
        if model.__module__.startswith(("celeriac.", "apps.")) and model._meta.managed
    ]
