"""docs/exit.md: the ledger is read and emptied by its SQL alone."""

import re

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from celeriac import enqueue
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.models import Job, Queue
from tests.factories import JobFactory
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db
PAGE = (ROOT / "docs" / "exit.md").read_text()


def run(part, number):
    """Run a block of a part of the page; return the rows of its last statement."""
    text = re.search(rf"^## {part}$(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    block = re.findall(r"^```sql\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[number]
    with connection.cursor() as cursor:
        cursor.execute(block)
        return cursor.fetchall() if cursor.description else []


def test_the_ledger_is_read():
    """What waits, runs, failed and succeeded, and the callers' keys."""
    queues.make_queue_rows()
    running, dead = JobFactory(state="running"), JobFactory(state="dead", error="no")
    done = JobFactory(state="succeeded")
    waits = enqueue("test.noop", {}, idempotency_key="k", priority=5)
    assert [row[0] for row in run("Stop", 1)] == [running.id]
    assert [row[:2] for row in run("Read", 0)] == [(waits.id, "test.noop")]
    assert str(waits.id) in str(run("Read", 1))
    assert [row[0] for row in run("Read", 2)] == [dead.id]
    assert [row[0] for row in run("Read", 3)] == [done.id]
    assert [row[1:] for row in run("Read", 4)] == [("k", waits.id, "queued")]
    run("Stop", 0)
    assert not Queue.objects.exclude(pause_reason="moving out").exists()


def test_the_ledger_is_emptied_and_filled_again():
    """Nothing waits, and after a change of mind what waited waits again."""
    queues.make_queue_rows()
    waits, cancelled = enqueue("test.noop", {}), JobFactory(state="cancelled")
    run("Stop", 0)
    run("Empty", 0)
    assert not Job.objects.queued().exists()
    run("Empty", 1)
    assert [job.id for job in Job.objects.queued()] == [waits.id]
    assert Job.objects.get(pk=cancelled.id).state == "cancelled"
    assert not Queue.objects.exclude(paused_at=None).exists()


def test_the_tables_are_dropped():
    """All that the library has, and nothing of anybody else."""
    run("Remove", 0)
    left = connection.introspection.table_names()
    assert [name for name in left if name.startswith("celeriac")] == []
    assert "payments_payment" in left
    run("Remove", 1)
    apps = {app for app, _ in MigrationRecorder(connection).applied_migrations()}
    assert [app for app in apps if app.startswith("celeriac")] == []
    assert "payments" in apps
