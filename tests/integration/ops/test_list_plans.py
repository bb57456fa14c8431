"""Every list of the admin over a table that grows: by index, and no more rows than it needs.

The lists come from the admin's registry and the tables from the table of what grows
(celeriac/builtin/cleanup.py), so that a new one is tried here or fails here. `PLAN_ROWS=2000000`
fills
each table with two million rows; by default there are fewer.
"""

import os
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory

from apps.orders.models import Order
from apps.payments.models import Payment
from celeriac.builtin import cleanup
from celeriac.console import large_tables
from celeriac.core.ids import uuid7
from celeriac.schedules.api import schedule_statuses
from tests.factories import UserFactory
from tests.factories_domain import CampaignFactory
from tests.factories_schedules import PeriodicTaskFactory
from tests.integration.ops.dashboard.test_plans import explain, heard, rows_read

ROWS = int(os.environ.get("PLAN_ROWS", "10000"))
FEW = max(500, ROWS // 20)
#: Tried with a ledger of their own, in dashboard/test_plans.py.
ELSEWHERE = {"celeriac_jobs.Job", "celeriac_jobs.Attempt"}
_AGES = "SELECT n, n * interval '14 days' / %(rows)s AS age FROM generate_series(1, %(rows)s) n"
#: Statements that fill the table of each model, in this order.
FILL = {
    "payments.Payment": """
INSERT INTO payments_payment (id, provider, reference, amount, currency, payment_method,
    description, state, captured_amount, refunding_amount, refunded_amount, provider_id, created_at,
    finished_at)
SELECT new_id(-age), 'stripe', 'order:' || n, 900, 'eur', 'pm', '',
    CASE WHEN n %% 1000 = 0 THEN 'pending' ELSE 'succeeded' END,
    CASE WHEN n %% 1000 = 0 THEN 0 ELSE 900 END, 0, 0, 'pi_' || n, now() - age,
    CASE WHEN n %% 1000 = 0 THEN NULL ELSE now() END
FROM (AGES) s""",
    "orders.Order": """
INSERT INTO orders_order (id, email, currency, total_amount, refunded_amount, state, payment_id,
    placed_at, paid_at)
SELECT id, 'Customer-' || right(reference, 3) || '@shop.example', currency, amount, 0,
    CASE WHEN captured_amount = 0 THEN 'placed' ELSE 'paid' END, id, created_at,
    CASE WHEN captured_amount = 0 THEN NULL ELSE created_at END FROM payments_payment""",
    "payments.Operation": """
INSERT INTO payments_operation (id, payment_id, kind, amount, state, idempotency_key, params,
    params_hash, provider_id, attempts, lookups, key_spent, error_code, error_message, review_at,
    review_reason, created_at, submitted_at, finished_at)
SELECT id, id, 'capture', amount, CASE WHEN captured_amount = 0 THEN 'unknown' ELSE 'succeeded' END,
    'key:' || reference, '{}', 'x', provider_id, 1, 0, false, '', '',
    CASE WHEN captured_amount = 0 THEN now() END, '', created_at, created_at,
    CASE WHEN captured_amount = 0 THEN NULL ELSE created_at END FROM payments_payment""",
    "payments.Difference": """
INSERT INTO payments_difference (id, kind, provider, provider_id, reference, payment_id, ours,
    theirs, found_at, seen_at, closed_at, close_reason)
SELECT id, 'amount', 'stripe', provider_id, reference, id, '{}', '{}', created_at, created_at,
    CASE WHEN captured_amount = 0 THEN NULL ELSE created_at END, '' FROM payments_payment""",
    "payments.WebhookEvent": """
INSERT INTO payments_webhookevent (id, provider, event_id, name, object_id, payload, received_at,
    processed_at, result)
SELECT id, 'stripe', 'evt_' || reference, 'charge.succeeded', provider_id, '{}', created_at,
    CASE WHEN captured_amount = 0 THEN NULL ELSE created_at END, '' FROM payments_payment""",
    "notifications.Email": """
INSERT INTO notifications_email (id, recipient, template, reference, context, message_class, state,
    message_id, provider_id, sends, resends_after_unknown, error, created_at, sending_at,
    finished_at)
SELECT new_id(-age), 'Reader-' || n %% 1000 || '@mail.example', 'orders/receipt', 'order:' || n,
    '{}', 'transactional', CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'accepted' END,
    '<' || n || '@shop>', '', 1, 0, '', now() - age, now() - age, now() - age
FROM (AGES) s""",
    "notifications.Recipient": """
INSERT INTO notifications_recipient (id, campaign_id, address, context, state, sends, refusals,
    run, provider_id, error, due_at, sending_at, finished_at)
SELECT new_id(-age), (SELECT max(id::text)::uuid FROM notifications_campaign),
    'Reader-' || n || '@mail.example', '{}',
    CASE WHEN n %% 1000 = 0 THEN 'unknown' ELSE 'accepted' END, 1, 0,
    gen_random_uuid(), 'id-' || n, '', now() - age,
    now() - age, now() - age
FROM (AGES) s""",
    "notifications.Suppression": """
INSERT INTO notifications_suppression (id, address, reason, note, created_at)
SELECT new_id(-age), 'reader-' || n || '@mail.example',
    CASE WHEN n %% 1000 = 0 THEN 'operator' ELSE 'bounce' END, '', now() - age FROM (AGES) s""",
    "celeriac_mail.Message": """
INSERT INTO celeriac_mail_message (id, job_id, subject, from_email, "to", cc, bcc, reply_to,
    headers, body, content_subtype, encoding, alternatives, attachments, contents, extra, options,
    fail_silently, at_most_once, message_id, state, sends, resends, error, created_at, accepted_at)
SELECT new_id(-age), gen_random_uuid(), 'Receipt', 'from@shop.example',
    ARRAY['Reader-' || n || '@mail.example'], '{}', '{}', '{}', '{}', '', 'plain', '', '[]', '[]',
    '{}',
    '{}', '{}', false, false, '<' || n || '@shop>',
    CASE WHEN n %% 1000 = 0 THEN 'refused' ELSE 'accepted' END, 1, 0, '', now() - age,
    CASE WHEN n %% 1000 = 0 THEN NULL ELSE now() END
FROM (AGES) s""",
    "celeriac_schedules.Tick": """
INSERT INTO celeriac_schedules_tick (id, periodic_task_id, scheduled_for, status, reason,
    missed_before,
    source, decided_at)
SELECT new_id(-age),
    (ARRAY(SELECT id FROM django_celery_beat_periodictask ORDER BY id))[1 + n %% 3],
    now() - age, CASE WHEN n %% 1000 = 0 THEN 'missed' ELSE 'skipped' END, '', 0, 'beat',
    now() - age FROM (AGES) s""",
    "celeriac_breakers.Transition": """
INSERT INTO celeriac_breakers_transition (breaker_id, at, version, from_state, to_state, by,
    reason, calls,
    failures, slow, last_error)
SELECT 'email', now() - age, n, 'closed', CASE WHEN n %% 1000 = 0 THEN 'half_open' ELSE 'open' END,
    'h:1', 'why', 1, 1, 0, '' FROM (AGES) s ORDER BY age DESC""",
    "celeriac_core.Audit": """
INSERT INTO celeriac_core_audit (id, at, actor_name, verb, target_type, target_id, filter, count,
    reason,
    details)
SELECT gen_random_uuid(), now() - age, 'ann@example.com', 'job.retry',
    CASE WHEN n %% 1000 = 0 THEN 'queue' ELSE 'job' END, gen_random_uuid()::text, '{}', 1, 'why',
    '{}' FROM (AGES) s""",
    "celeriac_console.BulkAction": """
INSERT INTO celeriac_console_bulkaction (id, verb, parameters, filter, reason, actor_name, audit_id,
    cutoff, state,
    error, seen, changed, held, rounds, created_at)
SELECT new_id(at - now()), 'retry', '{}', '{}', 'why', actor_name, id, at,
    CASE WHEN target_type = 'queue' THEN 'failed' ELSE 'finished' END, '', 1, 1, '[]', 0, at
FROM celeriac_core_audit""",
    "django_celery_results.TaskResult": """
INSERT INTO django_celery_results_taskresult (task_id, task_name, status, content_type,
    content_encoding, date_created, date_done, worker)
SELECT 'task-' || n, 'old.task', 'SUCCESS', '', '', now() - age, now() - age, 'w'
FROM (AGES) s ORDER BY age DESC""",
    "django_celery_results.GroupResult": """
INSERT INTO django_celery_results_groupresult (group_id, content_type, content_encoding,
    date_created, date_done)
SELECT 'group-' || n, '', '', now() - age, now() - age FROM (AGES) s ORDER BY age DESC""",
    "axes.AccessAttempt": """
INSERT INTO axes_accessattempt (user_agent, ip_address, username, http_accept, path_info,
    attempt_time, get_data, post_data, failures_since_start)
SELECT '', '10.0.0.1'::inet + n, 'person-' || n || '@example.com', '', '', now() - age, '', '', 1
FROM (AGES) s ORDER BY age DESC""",
}
SEARCHES = (
    *(str(uuid7()), "CUSTOMER-77", "reader-77", "order:77", "<77@shop>", "pi_77", "key:order:77"),
    *(
        "evt_order:77",
        "id-77",
        "person-77",
        "10.0.0.9",
        "email",
        "task-77",
        "no such thing",
        "50%_",
    ),
)


def fill(*labels, rows):
    """Fill the tables of these models; whom a row belongs to is not asked for."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for label in labels:
            cursor.execute(FILL[label].replace("AGES", _AGES), {"rows": rows})
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")


def lists():
    """Return the lists over tables that grow: the admin's class by the label of the table."""
    growing_now = set(cleanup.large_tables())
    found = {}
    for model, model_admin in admin.site._registry.items():
        label = model._meta.concrete_model._meta.label
        if label in growing_now - ELSEWHERE:
            found[label] = model_admin
    return found


def test_every_list_over_a_table_that_grows_is_tried_here():
    """A new one needs a statement that fills its table."""
    assert lists().keys() == FILL.keys()


def looked_at(model_admin, query):
    """Return what the list shows under a query, its filters' choices with it."""
    request = RequestFactory().get("/", query)
    request.user = looked_at.user
    request.session = {}
    request.resolver_match = SimpleNamespace(url_name="", app_name="")
    shown = model_admin.get_changelist_instance(request)
    rows = list(shown.result_list)
    choices = [
        choice["query_string"] for spec in shown.filter_specs for choice in spec.choices(shown)
    ]
    return rows, choices


def queries(model_admin):
    """Yield every way of asking for the list: as it is, filtered, sorted, searched for."""
    yield {}
    yield {"p": "3"}
    for choice in looked_at(model_admin, {})[1]:
        if choice not in ("?", ""):
            yield dict(parse_qsl(choice.lstrip("?")))
    for column in range(1, len(model_admin.list_display) + 2):
        yield {"o": f"{column}"}
        yield {"o": f"-{column}"}
    if model_admin.get_search_fields(None):
        yield from ({"q": term} for term in SEARCHES)


def faults(model_admin, query, table):
    """Say which statements of the list look at more than they should."""
    with heard() as statements:
        looked_at(model_admin, query)
    for statement, parameters in statements:
        if "COUNT(*)" in statement:
            yield f"counts: {statement}"
        scans = [n for n in explain(statement, parameters) if "Relation Name" in n]
        scans = [scan for scan in scans if scan["Relation Name"] in TABLES]
        read = sum(rows_read(scan) for scan in scans)
        whole = [s["Relation Name"] for s in scans if s["Node Type"] == "Seq Scan"]
        if read > (FEW if whole else 3 * FEW):
            yield f"{read:,.0f} rows, {whole or scans[0]['Node Type']}: {statement[:600]}"


TABLES = {"orders_order", "payments_payment"}


@pytest.mark.django_db(transaction=True)  # its end truncates: a rollback would leave the bulk
def test_every_list_filter_sorting_and_search_reads_few_rows(subtests, monkeypatch):
    """Under every choice of every filter, each column up and down, and every sort of search."""
    monkeypatch.setattr(large_tables, "NEWEST", FEW)
    monkeypatch.setattr(large_tables, "READ", FEW)
    monkeypatch.setattr(large_tables, "FOUND", 200)
    monkeypatch.setattr(large_tables, "OFFERED", 200)
    looked_at.user = UserFactory(is_staff=True, is_superuser=True)
    CampaignFactory(size=0)
    PeriodicTaskFactory.create_batch(3)
    fill(*FILL, rows=ROWS)
    found = lists()
    TABLES.update(each.model._meta.db_table for each in found.values())
    tried = 0
    for label, model_admin in found.items():
        for query in queries(model_admin):
            tried += 1
            with subtests.test(label, query=query):
                assert list(faults(model_admin, query, label)) == []
    assert tried > 300
    assert Order.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["6", "-6"])
def test_a_sorting_sorts_the_newest_and_walks_no_index_of_all(column, monkeypatch):
    """An index in the order of time meets the newest last; the planner does not know it."""
    monkeypatch.setattr(large_tables, "NEWEST", 500)
    fill("payments.Payment", rows=5000)
    looked_at.user = UserFactory(is_staff=True, is_superuser=True)
    with heard() as statements:
        rows, _ = looked_at(lists()["payments.Payment"], {"o": column})
    days = [payment.created_at for payment in rows]
    assert days == sorted(days, reverse=column == "-6")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")
    (listed,) = [each for each in statements if "ORDER BY COALESCE" in each[0]]
    nodes = explain(*listed)
    assert "Sort" in {node["Node Type"] for node in nodes}
    assert sum(rows_read(node) for node in nodes if "Relation Name" in node) <= 500


@pytest.mark.django_db
def test_schedules_with_their_last_ticks_read_one_tick_each():
    """As commands and the API list them; every tick of all of them was read."""
    tasks = PeriodicTaskFactory.create_batch(3)
    fill("celeriac_schedules.Tick", rows=3000)
    with heard() as statements:
        listed = {each.name: each.last_tick for each in schedule_statuses()}
    assert all(listed[task.name] for task in tasks)
    scans = [
        node
        for statement, parameters in statements
        for node in explain(statement, parameters)
        if node.get("Relation Name") == "celeriac_schedules_tick"
    ]
    assert scans
    assert sum(map(rows_read, scans)) < 100


@pytest.mark.django_db
def test_what_is_searched_for_is_found():
    """By an id, an address's beginning in any case, and an id of the provider."""
    fill("payments.Payment", "orders.Order", "payments.WebhookEvent", rows=50)
    looked_at.user = UserFactory(is_staff=True, is_superuser=True)
    found = lists()
    order = Order.objects.get(payment__reference="order:7")
    wanted = (str(order.pk).upper(), str(order.payment_id), "customer-R:7@SHOP", "pi_7")
    for term in wanted:
        assert looked_at(found["orders.Order"], {"q": term})[0] == [order], term
    for term in (str(order.payment_id), "order:7", "pi_7"):
        rows, _ = looked_at(found["payments.Payment"], {"q": term})
        assert order.payment in rows, term
    assert len(looked_at(found["payments.WebhookEvent"], {"q": "evt_order:7"})[0]) == 1
    for term in ("no such order", "%", "customer_r"):
        assert looked_at(found["orders.Order"], {"q": term})[0] == [], term


@pytest.mark.django_db
def test_a_filter_over_a_columns_values_offers_those_of_the_newest_rows(monkeypatch):
    """And the one that was chosen, however old."""
    monkeypatch.setattr(large_tables, "OFFERED", 10)
    fill("payments.Payment", rows=20)
    Payment.objects.filter(reference="order:20").update(currency="usd")
    looked_at.user = UserFactory(is_staff=True, is_superuser=True)
    payments = lists()["payments.Payment"]
    _, choices = looked_at(payments, {})
    assert "?currency=usd" not in choices
    rows, choices = looked_at(payments, {"currency": "usd"})
    assert "?currency=usd" in choices
    assert len(rows) == 1
