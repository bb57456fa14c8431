"""What the admin reads, with a long history behind it: by index, and no more than it shows.

`PLAN_ROWS=2000000` fills the ledger with two million finished jobs, a twentieth as many queued
ones and a quarter as many attempts; by default there are fewer.
"""

import json
import os
import re
from contextlib import contextmanager

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from celeriac.console import job_search, large_tables
from celeriac.console.dashboard import dead_letters, queues
from celeriac.core import clock
from celeriac.jobs.holds import HOLDS
from celeriac.jobs.models import Job, Worker
from celeriac.monitoring.rollups import backlog, rolling, sql

ROWS = int(os.environ.get("PLAN_ROWS", "40000"))
#: The tables that grow.
LARGE = {"celeriac_jobs_job", "celeriac_jobs_attempt"}
FILL = """
INSERT INTO celeriac_jobs_job (id, kind, queue, priority, args, state, run_at, started_at,
    finished_at,
                      created_at, attempt, worker, error)
SELECT new_id(-age), CASE WHEN n %% 3 = 0 THEN 'test.note' ELSE 'test.noop' END,
       CASE WHEN n %% 5 = 0 THEN 'payments' ELSE 'default' END, n %% 3, '{}',
       CASE WHEN n %% 100 = 0 THEN 'dead' ELSE 'succeeded' END, now() - age, now() - age,
       now() - age, now() - age, 1, NULL, ''
FROM (SELECT n, n * interval '14 days' / %(rows)s AS age FROM generate_series(1, %(rows)s) n) s;
INSERT INTO celeriac_jobs_job (id, kind, queue, priority, args, state, run_at, lock_key, claim_id,
    worker)
SELECT new_id(), 'test.noop', CASE WHEN n %% 2 = 0 THEN 'payments' ELSE 'default' END, n %% 3, '{}',
       CASE WHEN n %% 1000 = 0 THEN 'running' ELSE 'queued' END, now() - n * interval '1 ms',
       CASE WHEN n %% 7 = 0 THEN 'lock' || n END,
       CASE WHEN n %% 1000 = 0 THEN gen_random_uuid() END, NULL
FROM generate_series(1, %(rows)s / 20) n;
INSERT INTO celeriac_jobs_attempt (id, job_id, number, outcome, started_at, finished_at,
    error_class)
SELECT new_id(finished_at - now()), id, 1,
       CASE WHEN state = 'dead' THEN 'dead' ELSE 'failed' END, started_at, finished_at,
       CASE WHEN state = 'dead' THEN 'KeyError' ELSE 'ValueError' END
FROM celeriac_jobs_job WHERE finished_at IS NOT NULL AND (state = 'dead' OR id > new_id('-4 days'))
ORDER BY finished_at LIMIT %(rows)s / 4
"""


def nodes(plan):
    """Return every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(statement, parameters, *, run=True):
    """Return the nodes of a statement's plan; with `run`, as it went."""
    how = "ANALYZE, TIMING off, " if run else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({how}FORMAT JSON) {statement}", parameters)
        answer = cursor.fetchone()[0]
    return list(nodes((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]))


def rows_read(node):
    """Return how many rows a scan looked at."""
    dropped = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    return (node["Actual Rows"] + dropped) * node["Actual Loops"]


def assert_frugal(statement, parameters, *, most):
    """No large table is read from end to end, and no more of it than `most` rows."""
    scans = [n for n in explain(statement, parameters) if n.get("Relation Name") in LARGE]
    read = sum(rows_read(scan) for scan in scans)
    assert read <= most, f"{read:,} rows, by {scans[0]['Node Type']}: {statement}"
    whole = [scan for scan in scans if scan["Node Type"] == "Seq Scan"]
    assert not whole, f"sequential scan by {statement}"


@contextmanager
def heard():
    """Yield a list that gets every SELECT of the block with its parameters."""
    statements = []

    def listen(execute, sql, params, many, context):
        if re.match(r"\s*(SELECT|WITH)", sql, re.IGNORECASE):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        yield statements


@pytest.fixture
def root(client, django_user_model):
    """Return a client that may see everything."""
    client.force_login(django_user_model.objects.create_superuser("root@example.com", "x"))
    return client


def addresses():
    """Return every list of ours, and the large ones under each filter, searched and turned."""
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    jobs, attempts = (
        reverse("admin:celeriac_jobs_job_changelist"),
        reverse("admin:celeriac_jobs_attempt_changelist"),
    )
    for state in ("queued", "running", "succeeded", "dead", "cancelled"):
        yield f"{jobs}?state={state}"
        yield f"{jobs}?state={state}&queue=payments"
    for name in ("queue=maintenance", "kind=test.note", "kind=test.fail", "q=no-such-thing", "p=3"):
        yield f"{jobs}?{name}"
    for name in ("outcome=lost", "outcome=dead", "q=KeyError", "q=NoSuchError", "p=3"):
        yield f"{attempts}?{name}"
    yield f"{attempts}?q={Job.objects.order_by('id').first().pk}"


#: Statements that another page's own test pins: a queue's exact depth counts what is queued.
KNOWN = ("FROM waiting GROUP BY queue", "GROUP BY queue, kind")


@pytest.mark.django_db(transaction=True)  # its end truncates: a rollback would leave the bulk
def test_the_control_room_reads_what_it_shows_and_not_the_history(root, subtests, monkeypatch):
    """The dashboard, the roll-up, every list of ours under every filter."""
    few = max(1000, ROWS // 20)
    monkeypatch.setattr(large_tables, "NEWEST", few)
    monkeypatch.setattr(job_search, "LATEST", few)
    monkeypatch.setattr(queues, "MOST", 500)
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"rows": ROWS})
        cursor.execute("ANALYZE")
    Worker.objects.create(name="w", host="h", pid=1, slots=1, queues=["default"])
    with subtests.test("dashboard"), heard() as statements:
        assert root.get("/admin/dashboard/data/").status_code == 200
    for statement, parameters in statements:
        with subtests.test("dashboard", statement=statement[:60]):
            assert_frugal(statement, parameters, most=few)
    for address in addresses():
        with subtests.test("list", address=address):
            with heard() as statements:
                assert root.get(address).status_code == 200
            assert len(statements) < 20
            for statement, parameters in statements:
                if any(known in statement for known in KNOWN):
                    continue
                assert "COUNT(*)" not in statement, statement
                assert_frugal(statement, parameters, most=3 * few)
    with subtests.test("roll-up"):
        check_roll_up()


#: The indexes of what waits, what runs and what is paused: none of them knows the history.
KEPT = {
    *("celeriac_job_due", "celeriac_job_running", "celeriac_job_lock_key_running"),
    "celeriac_queue_paused",
}


def check_roll_up():
    """A minute's roll-up reads the minutes it counts."""
    now = clock.db_now()
    since = now - rolling.LATE
    values = {"since": since, "until": now, "attempt": rolling._first_attempt(since)}
    recent = Job.objects.filter(finished_at__gte=values["since"]).count()
    for statement in (sql.ROLL, sql.ROLL_ERRORS):
        assert_frugal(statement, values, most=4 * recent + 1000)
    values = backlog.backlog_parameters(["default", "payments"], 1_000_000)
    plan = explain(backlog.waiting_statement(HOLDS), values)
    assert {node["Index Name"] for node in plan if "Index Name" in node} <= KEPT
    assert "Seq Scan" not in {n["Node Type"] for n in plan if n.get("Relation Name") in LARGE}
    assert_frugal(dead_letters.NEWEST, dead_letters.newest_parameters(100), most=1000)
