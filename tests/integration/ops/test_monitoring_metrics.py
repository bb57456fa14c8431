"""/metrics: the contract's names, true numbers, and nobody else's eyes."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, transaction

from celeriac import enqueue_many
from celeriac.core.counting import counters
from celeriac.core.counting.publish import TotalsPublisher, publish_in_loop
from celeriac.core.models import Counter
from celeriac.jobs.dispatching.expire import expire_jobs
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.jobs.operating import operate
from celeriac.monitoring import metrics
from celeriac.testing import drain
from tests.factories import JobFactory
from tests.integration.ops.monitoring_support import (  # noqa: F401 fixtures
    CONTRACT,
    TOKEN,
    families,
    fresh,
    scrape,
    value,
)
from tests.support.processes import wait_until
from tests.support.threads import held_open


@pytest.mark.django_db(transaction=True)
def test_the_names_types_and_labels_are_the_contracts(scrape):  # noqa: F811 the fixture above
    """Nothing is missing and nothing is added, with every family filled."""
    enqueue("test.note", {"name": "a"})
    drain()
    Worker.objects.create(name="w", host="h", pid=1, slots=1)
    Queue.objects.get_or_create(name="default")
    found = families(scrape())
    assert {name: family.type for name, family in found.items()} == {
        name: kind for name, (kind, _) in CONTRACT.items()
    }
    for name, (_, labels) in CONTRACT.items():
        for sample in found[name].samples:
            assert set(sample.labels) - {"le"} == labels, name


def undone(name):
    """Enqueue a job in a block that is rolled back."""
    with transaction.atomic():
        enqueue("test.note", {"name": name})
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_jobs_are_counted_when_they_are_committed(scrape):  # noqa: F811 the fixture above
    """A rollback, a savepoint's too, counts nothing; a replay is no second job."""
    enqueue("test.note", {"name": "a"})
    with transaction.atomic():
        enqueue_many("test.note", [{"name": "b"}, {"name": "c"}])
        enqueue("test.note", {"name": "d"}, idempotency_key="k")
        enqueue("test.note", {"name": "d"}, idempotency_key="k")
        undone("e")
        enqueue("test.fail", {}, queue="payments")
    undone("f")
    page = scrape()
    name = "celeriac_jobs_enqueued_total"
    assert value(page, name, kind="test.note", queue="default") == 4
    assert value(page, name, kind="test.fail", queue="payments") == 1
    assert Job.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_callbacks_that_statements_enqueue_are_counted(scrape):  # noqa: F811 the fixture above
    """However the job ended: by itself, cancelled, expired."""
    url = {"callback_url": "https://example.com/told"}
    enqueue("test.note", {"name": "a"}, **url)
    drain("default")
    operate.cancel(enqueue("test.note", {"name": "b"}, **url).id, actor="cli")
    late = enqueue("test.note", {"name": "c"}, expires_at=timedelta(hours=1), **url)
    Job.objects.filter(id=late.id).update(expires_at=late.created_at)
    assert expire_jobs() == 1
    written = Job.objects.filter(kind="callbacks.send").count()
    counted = value(
        scrape(), "celeriac_jobs_enqueued_total", kind="callbacks.send", queue="callbacks"
    )
    assert (written, counted) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_runs_are_counted_by_how_they_ended_with_their_times(scrape):  # noqa: F811 the fixture above
    """Each run once: failures that are retried, deaths, snoozes, successes."""
    for number in range(3):
        enqueue("test.note", {"name": str(number)})
    enqueue("test.fail", {})
    enqueue("test.snooze", {"seconds": 60})
    drain(with_scheduled=True)
    page = scrape()
    runs = {
        (sample.labels["kind"], sample.labels["outcome"]): sample.value
        for sample in families(page)["celeriac_runs_total"].samples
    }
    assert runs == {
        ("test.note", "succeeded"): 3,
        ("test.fail", "failed"): 2,
        ("test.fail", "dead"): 1,
        ("test.snooze", "snoozed"): 1,
        ("test.snooze", "succeeded"): 1,
    }
    assert value(page, "celeriac_run_seconds_count", kind="test.note") == 3
    assert value(page, "celeriac_wait_seconds_count", kind="test.fail", queue="default") == 3
    assert value(page, "celeriac_run_seconds_sum", kind="test.note") > 0


@pytest.mark.django_db(transaction=True)
def test_totals_add_up_over_processes_and_never_fall(scrape):  # noqa: F811 the fixture above
    """Whoever published before is in the sum."""
    enqueue("test.note", {"name": "a"})
    first = scrape()
    enqueue("test.note", {"name": "b"})
    second = scrape()
    labels = {"kind": "test.note", "queue": "default"}
    assert value(first, "celeriac_jobs_enqueued_total", **labels) == 1
    assert value(second, "celeriac_jobs_enqueued_total", **labels) == 2
    assert value(second, "celeriac_stale_writes_total") == 0


@pytest.mark.django_db(transaction=True)
def test_gauges_tell_what_stands_now(scrape):  # noqa: F811 the fixture above
    """Depth by view, age, circuits, the dispatcher's lag, heartbeats."""
    JobFactory.create_batch(2)
    Worker.objects.create(name="w@h", host="h", pid=1, slots=1)
    page = scrape()
    assert value(page, "celeriac_queue_depth", queue="default", view="queued") == 2
    assert value(page, "celeriac_queue_depth", queue="payments", view="running") == 0
    assert value(page, "celeriac_queue_oldest_seconds", queue="default") > 0
    assert value(page, "celeriac_breaker_state", name="payments") == 0
    assert value(page, "celeriac_dispatcher_lag_seconds") == float("inf")
    assert value(page, "celeriac_worker_heartbeat_age_seconds", worker="w@h") < 60


@pytest.mark.django_db(transaction=True)
def test_a_label_may_hold_any_text(scrape):  # noqa: F811 the fixture above
    """What is in a row is escaped, not believed."""
    Worker.objects.create(name='w"\n\\{}', host="h", pid=1, slots=1)
    assert value(scrape(), "celeriac_worker_heartbeat_age_seconds", worker='w"\n\\{}') < 60


@pytest.mark.django_db(transaction=True)
def test_totals_of_another_release_do_not_break_the_page(scrape):  # noqa: F811 the fixture above
    """Unknown names and other buckets are left out."""
    Counter.objects.create(series='["celeriac_run_seconds","k"]', cells=[1, 2])
    Counter.objects.create(series='["gone_total","k"]', cells=[1])
    page = scrape()
    assert "gone_total" not in page
    assert value(page, "celeriac_run_seconds_count", kind="k") is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_the_page_is_for_bearers_of_the_token(client, settings, header):
    """Everybody else gets a 401 and no number."""
    settings.CELERIAC = {**settings.CELERIAC, "METRICS_TOKEN": TOKEN}
    answer = client.get("/metrics", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert b"celeriac" not in answer.content


@pytest.mark.django_db
def test_without_a_token_the_page_is_closed_but_in_development(client, settings):
    """It says what to set; DEBUG opens it."""
    settings.CELERIAC = {**settings.CELERIAC, "METRICS_TOKEN": ""}
    closed = client.get("/metrics")
    assert closed.status_code == 403
    assert b"METRICS_TOKEN" in closed.content
    settings.DEBUG = True
    assert client.get("/metrics").status_code == 200


@pytest.mark.django_db
def test_a_scrape_asks_a_fixed_number_of_questions(django_assert_max_num_queries):
    """Whatever the ledger holds."""
    JobFactory.create_batch(20)
    metrics.metrics_text()
    metrics._depths.forget()
    with django_assert_max_num_queries(18):
        metrics.metrics_text()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_frozen_keeps_no_scraper_waiting(
    scrape,  # noqa: F811 the fixture above
    client,
    postgres_server,
    monkeypatch,
):
    """It has its answer, and so has the next one; no second question follows one that hangs."""
    monkeypatch.setattr(metrics.page, "_seconds", 1.0)
    scrape()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    postgres_server.pause()
    try:
        started = time.monotonic()
        answers = [client.get("/metrics", headers=bearer) for _ in range(2)]
        assert time.monotonic() - started < 30
        assert [answer.status_code for answer in answers] == [503, 503]
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("celeriac-metrics") == 1
    finally:
        postgres_server.resume()
    wait_until(lambda: client.get("/metrics", headers=bearer).status_code == 200, timeout=60)


@pytest.mark.django_db(transaction=True)
def test_totals_that_another_holds_are_added_to_later():
    """A lock delays what was counted; it is neither lost nor doubled."""
    Counter.objects.create(series='["a"]', cells=[5])
    publisher = TotalsPublisher()
    counters.add(("a",), 2)
    with held_open(lambda: list(Counter.objects.select_for_update())):
        with pytest.raises(OperationalError, match="lock timeout"):
            publisher.publish()
        assert publisher.pending == {("a",): [2]}
    publisher.publish()
    publisher.publish()
    assert Counter.objects.get(series='["a"]').cells == [7]


@pytest.mark.django_db(transaction=True)
def test_a_loop_publishes_on_its_own_connection_and_waits_for_no_lock(monkeypatch, caplog):
    """A dispatcher must ring meanwhile; the counts come the next time."""
    monkeypatch.setattr(counters.process, "on_first", lambda: None)
    publish_counts = publish_in_loop()
    assert counters.process.on_first is None  # no thread besides
    Counter.objects.create(series='["a"]', cells=[5])
    counters.add(("a",), 2)
    with held_open(lambda: list(Counter.objects.select_for_update())):
        started = time.monotonic()
        publish_counts()
        assert time.monotonic() - started < 1.0
    assert "could not be published" in caplog.text
    publish_counts()
    assert Counter.objects.get(series='["a"]').cells == [7]


def test_where_nobody_publishes_a_loop_does_not_either(monkeypatch):
    """Its counts are left for whoever reads them."""
    monkeypatch.setattr(counters.process, "on_first", None)
    counters.add(("a",))
    publish_in_loop()()
    assert ("a",) in counters.process.take()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sqlstate", "kept"), [(None, 0), ("57P01", 0), ("08006", 0), ("57014", 1), ("42P01", 1)]
)
def test_what_may_have_been_added_is_not_added_again(monkeypatch, sqlstate, kept):
    """A connection that broke under way leaves it open; a refusal does not."""

    def fail(news, **_):
        cause = type("Cause", (Exception,), {"sqlstate": sqlstate})()
        raise OperationalError("gone") from cause

    monkeypatch.setattr("celeriac.core.counting.publish.write_totals", fail)
    publisher = TotalsPublisher()
    counters.add(("a",))
    with pytest.raises(OperationalError):
        publisher.publish()
    assert len(publisher.pending) == kept
