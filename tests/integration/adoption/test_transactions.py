"""Calls within transactions: of the ledger's database, of another one, and beside them."""

import pytest
from celery import signals
from django.db import connections, transaction

from celeriac import enqueue
from celeriac.jobs.models import Job
from celeriac.testing import drain


@pytest.fixture
def other(settings, monkeypatch):
    """Yield the alias of another database: the same server's, to Django another connection."""
    made = connections["default"].copy("other")
    monkeypatch.setattr(connections._connections, "other", made, raising=False)
    monkeypatch.setitem(connections.settings, "other", made.settings_dict)
    made.connect()
    yield "other"
    made.close()


@pytest.fixture
def report(acme):
    """Return a task."""

    @acme.task(name="acme.report")
    def report(what):
        return what

    return report


@pytest.mark.django_db(transaction=True)
def test_a_call_within_another_databases_transaction_waits_for_its_commit(report, other):
    """The job would outlive a rollback of it; its id is known at once."""
    with transaction.atomic(using=other):
        result = report.delay("kept")
        assert not Job.objects.exists()
    assert str(Job.objects.get().id) == result.id
    with transaction.atomic(using=other):
        report.delay("undone")
        transaction.set_rollback(True, using=other)
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["kind", "setting"])
def test_a_job_may_outlive_the_rollback_of_its_transaction(report, settings, how):
    """Of one call, or by a pattern: what a failure reports before it is raised again."""
    if how == "setting":
        settings.CELERIAC = {**settings.CELERIAC, "SURVIVES_ROLLBACK": ["acme.rep*"]}
    with transaction.atomic():
        enqueue("test.noop", {})
        if how == "setting":
            report.delay("failed")
        else:
            enqueue("test.note", {"name": "failed"}, survives_rollback=True)
        transaction.set_rollback(True)
    expected = "acme.report" if how == "setting" else "test.note"
    assert [job.kind for job in Job.objects.all()] == [expected]
    assert drain()[0].state == "succeeded"


@pytest.mark.django_db
def test_within_a_tests_own_transaction_nothing_outlives_it(settings):
    """Or the next test would find it."""
    enqueue("test.noop", {}, survives_rollback=True)
    assert Job.objects.count() == 1
    transaction.set_rollback(True)


@pytest.mark.django_db
def test_who_listens_to_what_is_published_hears_of_each_job(report):
    """Once, with its own arguments and id; what it adds to the headers is kept."""
    heard = []

    def before(sender, headers, body, routing_key, **_):
        heard.append((sender, headers["id"], body[0], routing_key))
        headers["added"] = "yes"

    def after(sender, headers, body, **_):
        heard.append((sender, headers["id"], body[0], headers["added"]))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    try:
        result = report.apply_async(("x",), headers={"mine": 1})
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)
    assert heard == [
        ("acme.report", result.id, ["x"], "default"),
        ("acme.report", result.id, ["x"], "yes"),
    ]
    assert Job.objects.get().headers == {"mine": 1, "added": "yes"}
