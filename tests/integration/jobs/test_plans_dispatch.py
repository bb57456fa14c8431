"""The plans of the hot statements, with a million finished rows behind them."""

import json
from uuid import uuid4

import pytest
from django.db import connection

from celeriac.jobs.dispatching import admission, expire, live_workers, rescue
from celeriac.jobs.running import claim, settle_sql

FINISHED = 1_000_000
ID = uuid4()
START_AT, START_ID = admission.START

FILL = """
INSERT INTO celeriac_jobs_job (id, kind, queue, priority, args, state, run_at, started_at,
    finished_at,
                      created_at, attempt, worker)
SELECT gen_random_uuid(), 'test.noop', 'default', n %% 3, '{}', 'succeeded', at, at, at, at, 1, %s
FROM (SELECT n, now() - n * interval '1 second' AS at FROM generate_series(1, %s) n) s
"""
LIVE = """
INSERT INTO celeriac_jobs_job (id, kind, queue, priority, args, state, run_at, lock_key, expires_at,
                      claim_id, worker)
SELECT gen_random_uuid(), 'test.noop', 'default', n %% 3, '{}',
       CASE WHEN n %% 10 = 0 THEN 'running' ELSE 'queued' END, now() - n * interval '1 second',
       CASE WHEN n %% 7 = 0 THEN 'lock' || n END,
       CASE WHEN n %% 5 = 0 THEN now() + interval '1 hour' END,
       CASE WHEN n %% 10 = 0 THEN gen_random_uuid() END, %s
FROM generate_series(1, 2000) n
"""

STATEMENTS = {
    "scan": (
        admission.SCAN,
        {
            "queue": "default",
            "priority": 0,
            "kinds": ["test.noop"],
            "after_run_at": START_AT,
            "after_id": START_ID,
            "until_run_at": "9999-01-01",
            "until_id": ID,
            "limit": 1000,
        },
    ),
    "by id": (admission.BY_ID, {"ids": [ID] * 500, "queue": "default", "kinds": ["test.noop"]}),
    "probe": (admission.PROBE, {"ids": [ID] * 500}),
    "homes": (admission.QUEUES_OF, {"ids": [ID] * 500, "queues": ["default"]}),
    "priorities": (admission.PRIORITIES, {"queues": ["default", "payments"]}),
    "next of lock": (admission.NEXT_OF_LOCK, {"locks": ["lock7", "a"], "queues": ["default"]}),
    "busy": (live_workers.BUSY, {"workers": [ID]}),
    "recent": (live_workers.RECENT, {"kinds": ["test.noop", "test.note"]}),
    "prune": (live_workers.PRUNE, {}),
    "expire": (expire.EXPIRE, {"most": 1000}),
    "rescue": (
        rescue.LOST,
        {"lease": 20, "kinds": ["test.noop"], "limits": [60.0], "late": 16.0, "most": 1000},
    ),
    "claim": (
        claim._CLAIM,
        {
            "ids": [ID] * 300,
            "alone": False,
            "kinds": ["test.noop"],
            "guarded": ["test.guarded"],
            "breakers": ["payments"],
            "ramp": 20.0,
            "lasting": [],
            "claim_id": ID,
            "worker": ID,
        },
    ),
    "verify": (claim._VERIFY, [[ID] * 300, ID]),
    "complete": (
        settle_sql.COMPLETE,
        {
            "ids": [ID] * 300,
            "claims": [ID] * 300,
            "results": ["null"] * 300,
            "errors": [""] * 300,
            "started": [0.0] * 300,
            "seconds": [0.1] * 300,
        },
    ),
    "bare": (
        settle_sql.BARE,
        {"claim": ID, "ids": [ID] * 300, "started": [0.0] * 300, "seconds": [0.1] * 300},
    ),
    "bare, alone": (
        settle_sql.BARE_ONE,
        {"claims": ID, "ids": ID, "started": 0.0, "seconds": 0.1},
    ),
    "complete and call": (
        settle_sql.COMPLETE_CALLING,
        {
            "ids": [ID] * 300,
            "claims": [ID] * 300,
            "results": ["null"] * 300,
            "errors": [""] * 300,
            "started": [0.0] * 300,
            "seconds": [0.1] * 300,
        },
    ),
    "end": (
        settle_sql.END,
        {
            "ids": [ID] * 300,
            "claims": [ID] * 300,
            **{name: [1] * 300 for name in ("failures", "losses", "cuts")},
            **{name: [1.0] * 300 for name in ("delays", "started", "seconds")},
            **{name: ["x"] * 300 for name in ("verbs", "states", "errors", "reasons", "recorded")},
            "circuits": ["x"] * 300,
            "changes": [None] * 300,
            **{name: ["x"] * 300 for name in ("classes", "messages", "tracebacks")},
        },
    ),
}


def nodes(plan):
    """Return every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(cursor, name):
    """Return the nodes of a statement's plan."""
    statement, parameters = STATEMENTS[name]
    cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    answer = cursor.fetchone()[0]
    return list(nodes((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]))


@pytest.mark.django_db(transaction=True)  # its end truncates: a rollback would leave the bulk
def test_no_hot_statement_reads_the_history(subtests):
    """No sequential scan of the jobs; the scan of a queue sorts nothing."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, [ID, FINISHED])
        cursor.execute(LIVE, [ID])
        cursor.execute("ANALYZE celeriac_jobs_job")
        for name in STATEMENTS:
            with subtests.test(name):
                on_jobs = [
                    node["Node Type"]
                    for node in explain(cursor, name)
                    if node.get("Relation Name") == "celeriac_jobs_job"
                ]
                assert on_jobs
                assert "Seq Scan" not in on_jobs
        with subtests.test("a claim reads pauses and circuits once, not once a job"):
            asked = [n["Subplan Name"] for n in explain(cursor, "claim") if "Subplan Name" in n]
            assert [name for name in asked if name.startswith("SubPlan")] == []
        with subtests.test("the scan goes by the due index alone"):
            (due,) = [
                n for n in explain(cursor, "scan") if n.get("Index Name") == "celeriac_job_due"
            ]
            parts = ("queue", "priority", "run_at", "ROW")
            assert all(part in due["Index Cond"] for part in parts)
