"""Each constraint of each model, violated by name on the real database; and the factories."""

from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.factories import JobFactory, JobKeyFactory, UserFactory
from tests.factories_domain import SuppressionFactory
from tests.factories_rows import (
    BreakerFactory,
    CampaignRowFactory,
    DifferenceFactory,
    EmailRowFactory,
    ErrorRollupFactory,
    ItemFactory,
    MessageFactory,
    NodeEdgeFactory,
    NodeFactory,
    OperationFactory,
    OrderRowFactory,
    PaymentRowFactory,
    PolicyFactory,
    RecipientFactory,
    RoleGrantFactory,
    RollupFactory,
    RouteFactory,
    SampleFactory,
    TickFactory,
    TransitionFactory,
    WebhookEventFactory,
    factories_by_model,
    our_models,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
KEY = UUID(int=7)

#: By name: a factory of a valid row, and what must not be written to it.
CHECKS = {
    "celeriac_job_state_known": (JobFactory, {"state": "odd"}),
    "celeriac_job_finished_at_exactly_when_terminal": (JobFactory, {"finished_at": NOW}),
    "celeriac_job_claim_id_exactly_while_running": (JobFactory, {"claim_id": KEY}),
    "celeriac_job_priority_in_range": (JobFactory, {"priority": 101}),
    "celeriac_node_state_known": (NodeFactory, {"state": "odd"}),
    "celeriac_node_closed_at_exactly_when_closed": (NodeFactory, {"closed_at": NOW}),
    "celeriac_route_share_is_percent": (RouteFactory, {"share": 100.5}),
    "celeriac_breaker_state": (BreakerFactory, {"state": "odd"}),
    "celeriac_breaker_forced": (BreakerFactory, {"forced": "odd"}),
    "celeriac_schedule_misfire_known": (PolicyFactory, {"misfire": "odd"}),
    "celeriac_schedule_overlap_known": (PolicyFactory, {"overlap": "odd"}),
    "celeriac_schedule_seconds_not_negative": (PolicyFactory, {"jitter": -1}),
    "celeriac_tick_status_known": (TickFactory, {"status": "odd"}),
    "celeriac_tick_job_exactly_when_fired": (TickFactory, {"job": KEY}),
    "celeriac_mail_state_known": (MessageFactory, {"state": "odd"}),
    "celeriac_mail_accepted_at_with_its_state": (MessageFactory, {"state": "accepted"}),
    "celeriac_mail_at_most_once_never_resent": (
        MessageFactory,
        {"at_most_once": True, "resends": 1},
    ),
    "payment_state_known": (PaymentRowFactory, {"state": "odd"}),
    "payment_amount_positive": (PaymentRowFactory, {"amount": 0}),
    "payment_currency_is_iso_4217": (PaymentRowFactory, {"currency": "EUR"}),
    "payment_captures_at_most_its_amount": (
        PaymentRowFactory,
        {"state": "succeeded", "captured_amount": 2501, "finished_at": NOW},
    ),
    "payment_captured_exactly_when_succeeded": (PaymentRowFactory, {"captured_amount": 1}),
    "payment_refunds_at_most_what_was_captured": (PaymentRowFactory, {"refunding_amount": 1}),
    "payment_finished_at_exactly_when_final": (PaymentRowFactory, {"finished_at": NOW}),
    "operation_state_known": (OperationFactory, {"state": "odd", "submitted_at": NOW}),
    "operation_kind_known": (OperationFactory, {"kind": "odd"}),
    "operation_amount_positive": (OperationFactory, {"amount": 0}),
    "operation_has_key_and_hash": (OperationFactory, {"params_hash": ""}),
    "operation_submitted_at_before_any_answer": (OperationFactory, {"submitted_at": NOW}),
    "operation_finished_at_exactly_when_final": (OperationFactory, {"finished_at": NOW}),
    "campaign_state_known": (CampaignRowFactory, {"state": "odd", "job": KEY, "started_at": NOW}),
    "campaign_rate_positive": (CampaignRowFactory, {"rate": 0}),
    "campaign_finished_at_exactly_when_finished": (CampaignRowFactory, {"finished_at": NOW}),
    "campaign_job_once_started": (CampaignRowFactory, {"state": "running"}),
    "recipient_state_known": (
        RecipientFactory,
        {"state": "odd", "sending_at": NOW, "sends": 1, "run": KEY, "finished_at": NOW},
    ),
    "recipient_sending_at_before_any_answer": (RecipientFactory, {"state": "sending"}),
    "recipient_finished_at_exactly_when_final": (RecipientFactory, {"finished_at": NOW}),
    "email_state_known": (EmailRowFactory, {"state": "odd", "sending_at": NOW, "sends": 1}),
    "email_class_known": (EmailRowFactory, {"message_class": "odd"}),
    "email_finished_at_exactly_when_final": (EmailRowFactory, {"finished_at": NOW}),
    "email_sending_at_before_any_answer": (EmailRowFactory, {"state": "sending"}),
    "email_bulk_never_resent": (
        EmailRowFactory,
        {"message_class": "bulk", "resends_after_unknown": 1},
    ),
    "order_state_known": (OrderRowFactory, {"state": "odd"}),
    "order_total_positive": (OrderRowFactory, {"total_amount": 0}),
    "order_currency_is_iso_4217": (OrderRowFactory, {"currency": "EUR"}),
    "order_refunds_at_most_its_total": (OrderRowFactory, {"refunded_amount": 2501}),
    "order_time_of_its_state_only": (OrderRowFactory, {"paid_at": NOW}),
    "item_quantity_positive": (ItemFactory, {"quantity": 0}),
}

#: By name: a factory, and what two rows must not share; a list: what each of the two has.
UNIQUE = {
    "celeriac_job_unique_key_queued": (JobFactory, {"unique_key": "a"}),
    "celeriac_job_task_id_once": (JobFactory, {"task_id": "a"}),
    "celeriac_job_lock_key_running": (JobFactory, {"state": "running", "lock_key": "a"}),
    "celeriac_node_flow_key": (NodeFactory, {"name": "import", "key": "a"}),
    "celeriac_edge_once": (NodeEdgeFactory, {"before": KEY, "after": KEY}),
    "celeriac_jobkey_once": (JobKeyFactory, {"key": "a"}),
    "celeriac_transition_once": (TransitionFactory, {"breaker": BreakerFactory, "version": 1}),
    "celeriac_tick_once": (TickFactory, {"periodic_task": lambda: PolicyFactory().periodic_task}),
    "celeriac_rollup_once": (RollupFactory, {}),
    "celeriac_error_rollup_once": (ErrorRollupFactory, {}),
    "celeriac_sample_once": (SampleFactory, {}),
    "celeriac_grant_once": (RoleGrantFactory, {"permission": "a.view_b"}),
    "user_email_any_case": (UserFactory, {"email": ["ann@example.com", "Ann@example.com"]}),
    "payment_provider_id_once": (PaymentRowFactory, {"provider_id": "pi_1"}),
    "operation_one_capture_a_payment": (
        OperationFactory,
        {"payment": PaymentRowFactory, "kind": "capture"},
    ),
    "operation_one_open_cancel_a_payment": (
        OperationFactory,
        {"payment": PaymentRowFactory, "kind": "cancel"},
    ),
    "difference_open_once": (DifferenceFactory, {"provider_id": "pi_1"}),
    "webhook_event_once": (WebhookEventFactory, {"event_id": "evt_1"}),
    "recipient_once_a_campaign": (
        RecipientFactory,
        {"campaign": CampaignRowFactory, "address": "a@mail.example"},
    ),
    "email_once_a_template_and_reference": (EmailRowFactory, {"reference": "order:1"}),
    "suppression_address_once": (
        SuppressionFactory,
        {"address": ["a@mail.example", "A@mail.example"]},
    ),
    "item_sku_once_an_order": (ItemFactory, {"order": OrderRowFactory, "sku": "a"}),
}

#: Constraints that the same row violates, too, and that the database would name first.
EARLIER = {"email_state_known": ["email_finished_at_exactly_when_final"]}


def refused_by(write):
    """Return the name of the constraint that refuses what `write` does."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
    return caught.value.__cause__.diag.constraint_name


@pytest.mark.parametrize("name", CHECKS)
def test_a_row_that_must_not_be_is_refused(name):
    """By the database, whoever writes it."""
    factory, values = CHECKS[name]
    row = factory()
    with connection.cursor() as cursor:
        for other in EARLIER.get(name, ()):
            cursor.execute(f"ALTER TABLE {row._meta.db_table} DROP CONSTRAINT {other}")
    same = type(row).objects.filter(pk=row.pk)
    assert refused_by(lambda: same.update(**values)) == name


@pytest.mark.parametrize("name", UNIQUE)
def test_a_second_row_of_its_kind_is_refused(name):
    """Of two, the first stays."""
    factory, given = UNIQUE[name]
    given = {field: value() if callable(value) else value for field, value in given.items()}
    first, second = (
        {f: value[at] if isinstance(value, list) else value for f, value in given.items()}
        for at in (0, 1)
    )
    factory(**first)
    assert refused_by(lambda: factory(**second)) == name


def test_every_constraint_is_among_them():
    """A new one belongs into a table above."""
    names = [each.name for model in our_models() for each in model._meta.constraints]
    assert sorted(names) == sorted(CHECKS | UNIQUE)


def test_every_model_has_a_factory():
    """A new model's rows come from one in tests, too."""
    assert {model.__name__ for model in set(our_models()) - factories_by_model().keys()} == set()


@pytest.mark.parametrize("model", our_models(), ids=lambda model: model._meta.label)
def test_a_factory_makes_a_row(model):
    """One that stands in the database."""
    row = factories_by_model()[model]()
    assert type(row).objects.filter(pk=row.pk).exists()
