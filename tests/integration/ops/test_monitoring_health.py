"""/healthz and /readyz: which part is missing, soon, and nothing that is nobody's business."""

import time
from datetime import timedelta

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from celeriac.core.clock import Now
from celeriac.jobs.models import Queue, Worker
from celeriac.monitoring import health
from celeriac.schedules.models import Beat
from celeriac.settings import conf
from tests.integration.ops.monitoring_support import fresh  # noqa: F401 a fixture


def hours(number):
    """Return an interval."""
    return timedelta(hours=number)


@pytest.fixture
def platform(transactional_db, settings):
    """Write what a dispatcher, a worker and a beat write that live."""
    for name in conf.QUEUES:
        Queue.objects.update_or_create(name=name, defaults={"lease_until": Now() + hours(1)})
    Worker.objects.create(name="w", host="h", pid=1, slots=1)
    Beat.objects.create(host="h", pid=1)
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.create(name="some", task="test.noop", interval=every)


def ask(client, query=""):
    """Return the status, and what each part says."""
    health.readiness.forget()
    answer = client.get(f"/readyz{query}")
    return answer.status_code, answer.json()


def test_a_process_that_answers_is_alive(client):
    """It asks no database: this test has none. Any host name will do, and no TLS is asked for."""
    answer = client.get("/healthz", headers={"Host": "10.1.2.3:8000"})
    assert (answer.status_code, answer.json()) == (200, {"alive": True})
    assert client.post("/healthz").status_code == 405


def test_a_whole_platform_is_ready(client, platform, broker):
    """Every part is well, beats among them."""
    status, body = ask(client)
    assert status == 200, body
    assert list(body["parts"]) == list(health.PARTS)
    assert body["parts"]["beat"] == {"ok": True, "says": "1 living"}


@pytest.mark.parametrize(
    ("part", "model"), [("dispatcher", Queue), ("workers", Worker), ("beat", Beat)]
)
def test_the_part_that_is_silent_is_named(client, platform, broker, part, model):
    """A lease that ran out, a heartbeat that is old; the rest is well."""
    when = "lease_until" if model is Queue else "beat_at"
    model.objects.update(**{when: Now() - hours(1)})
    status, body = ask(client)
    assert status == 503
    assert [name for name, each in body["parts"].items() if not each["ok"]] == [part]
    assert ask(client, "?only=database,broker")[0] == 200


def test_one_queue_without_a_dispatcher_is_named(client, platform, broker):
    """Its jobs would wait for ever."""
    Queue.objects.filter(name="payments").update(lease_until=None)
    status, body = ask(client)
    assert status == 503
    assert "payments" in body["parts"]["dispatcher"]["says"]


def test_a_beat_that_is_not_needed_is_not_missed(client, platform, broker):
    """Where nothing is scheduled."""
    Beat.objects.all().delete()
    PeriodicTask.objects.all().delete()
    assert ask(client)[0] == 200


def test_a_missing_migration_is_named_and_the_rest_is_not_asked(client, platform, broker):
    """New code on an old schema may not take requests."""
    applied = MigrationRecorder.Migration.objects.get(app="celeriac_core", name="0001_initial")
    applied.delete()
    try:
        status, body = ask(client)
        assert status == 503
        assert "manage.py migrate" in body["parts"]["migrations"]["says"]
        assert not body["parts"]["workers"]["ok"]
    finally:
        applied.save(force_insert=True)


def test_a_broker_that_is_away_is_named_without_its_address(client, platform, settings):
    """Nor with its password."""
    settings.CELERIAC = {**settings.CELERIAC, "NUDGE_URL": "redis://:hunter2@127.0.0.1:1/0"}
    status, body = ask(client)
    assert status == 503
    assert body["parts"]["broker"]["says"].startswith("can't be reached")
    assert "127.0.0.1" not in str(body)
    assert "hunter2" not in str(body)


def test_a_database_that_is_frozen_is_named_in_time(client, platform, broker, postgres_server):
    """A probe has an answer within seconds, and no second look is sent after one that hangs."""
    postgres_server.pause()
    try:
        started = time.monotonic()
        status, body = ask(client)
        again, _ = ask(client)
        assert time.monotonic() - started < 30
        assert (status, again) == (503, 503)
        assert "no answer" in body["parts"]["database"]["says"]
        assert body["parts"]["broker"]["ok"]
    finally:
        postgres_server.resume()
        thread = health._looks[0]._thread
        if thread is not None:
            thread.join(60)


def test_an_unknown_part_is_refused(client):
    """A probe with a slip of the pen would be green for ever."""
    assert client.get("/readyz?only=databse").status_code == 400
