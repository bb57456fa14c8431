"""What an operator may tune acts: each number here is another one than the default."""

import json
import logging
import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from celeriac import clock
from celeriac.celery.shared_tasks import _limits
from celeriac.console.dashboard.attention import attention_sentences
from celeriac.console.doctor import database, schedules
from celeriac.core.clock import Now
from celeriac.jobs import nudge
from celeriac.jobs.models import Job
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.operating.prune import prune_jobs
from celeriac.monitoring import health
from celeriac.monitoring.models import Rollup
from celeriac.monitoring.rollups import rolling
from celeriac.schedules import operate
from celeriac.schedules.errors import ScheduleError
from celeriac.schedules.models import Beat, Policy
from tests.factories import JobFactory, JobKeyFactory
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db

#: What is read where a module is loaded, in a process that was told so.
_LOADED = """
import django, json; django.setup()
from celeriac.http.bodies import BulkCall
from celeriac.jobs import registry
from celeriac.jobs.callbacks import sql
from celeriac.monitoring import metrics
print(json.dumps({
    "API_MAX_BULK_JOBS": BulkCall.model_json_schema()["properties"]["jobs"]["maxItems"],
    "CALLBACK_MAX_ATTEMPTS": registry.find_kind(sql.KIND).retry.max_attempts,
    "METRICS_TIMEOUT_SECONDS": metrics.page._seconds,
    "METRICS_DEPTHS_SECONDS": metrics._depths._lives,
    "written": " 3, callback" in sql.enqueue_from("ended"),
}))
"""


@pytest.fixture
def tune(settings):
    """Return a function that sets keys of CELERIAC."""

    def tune(**keys):
        settings.CELERIAC = settings.CELERIAC | keys

    return tune


def said(check):
    """Return the levels of what a check of the doctor finds."""
    return [result.level.value for result in check()]


def scheduled(late):
    """Write a schedule with a tick that has been due for so long, and a beat that lives."""
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    task = PeriodicTask.objects.create(name="some", task="test.noop", interval=every)
    due = Now() - late
    defaults = {"anchor": due, "cursor": due, "next_fire_at": due}
    Policy.objects.update_or_create(periodic_task=task, defaults=defaults)
    Beat.objects.create(host="h", pid=1)
    return task


def test_keys_are_known_for_as_long_as_the_operator_says(tune):
    """A job whose key is younger stays, whatever its retention."""
    ago = clock.db_now() - timedelta(days=20)
    JobKeyFactory(job_id=JobFactory(state="succeeded", finished_at=ago).id, created_at=ago)
    tune(IDEMPOTENCY_DAYS=21)
    assert prune_jobs().jobs == 0
    tune(IDEMPOTENCY_DAYS=19.5)
    assert prune_jobs().jobs == 1
    assert not Job.objects.exists()


def test_a_late_tick_is_late_for_all_who_speak_of_it_at_once(tune):
    """Health, doctor and dashboard have one number."""
    scheduled(late=timedelta(seconds=200))
    beats = {"beats": [{"alive": True}], "ticks": [{"late": 200.0, "paused": False}]}

    def late():
        sentences = attention_sentences(beats, clock.db_now(), clock.db_now(), [])
        return [
            not health.beat_part().ok,
            "warning" in said(schedules.check_beats),
            any("Beat is behind" in each["text"] for each in sentences),
        ]

    assert late() == [True] * 3
    tune(SCHEDULES_LATE_SECONDS=300)
    assert late() == [False] * 3


def test_a_backfill_makes_as_many_ticks_as_the_operator_says(tune):
    """Unless the caller says otherwise; `None` is what the command gives."""
    task = scheduled(late=timedelta(hours=6))
    span = {"start": clock.db_now() - timedelta(hours=6), "end": clock.db_now()}
    tune(SCHEDULES_BACKFILL_TICKS=3)
    with pytest.raises(ScheduleError, match="More than 3 "):
        operate.backfill_schedule(task.pk, **span, actor="ann", limit=None)
    assert len(operate.backfill_schedule(task.pk, **span, actor="ann", limit=6)) in (5, 6)


def test_a_broker_that_failed_is_spared_for_as_long_as_the_operator_says(tune, caplog):
    """And one nudge costs what it may cost."""
    with socket.socket() as deaf:  # takes connections, and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        tune(NUDGE_URL=url, NUDGE_TIMEOUT_SECONDS=0.01, NUDGE_MUTE_SECONDS=7.5)
        sender = nudge._Sender()
        with caplog.at_level(logging.WARNING):
            sender.send(Nudge(workers=True))
    assert "nudges are off for 7.5 s" in caplog.text
    assert sender._client.connection_pool.connection_kwargs["socket_timeout"] == 0.01


def test_a_job_that_waits_asks_for_attention_when_the_operator_says(tune):
    """A due one, that nothing holds back."""
    queue = {"name": "default", "url": "", "waiting": 1, "more": "", "pause": None}
    queue |= {"dispatched": True, "worked": True, "oldest": 400.0, "oldest_free": 400.0}

    def sentences():
        return attention_sentences({"queues": [queue]}, clock.db_now(), clock.db_now(), [])

    assert len(sentences()) == 1
    tune(ATTENTION_WAIT_SECONDS=500)
    assert sentences() == []


def test_the_doctor_warns_from_where_the_operator_says(tune, monkeypatch, tmp_path):
    """Of connections, of a disk that fills; a third of what should be free is an error."""
    tune(DOCTOR_CONNECTIONS_SHARE=0.0001)
    assert said(database.check_transactions) == ["ok", "warning"]
    usage = type("Usage", (), {"free": 10, "total": 100})
    monkeypatch.setattr(database.shutil, "disk_usage", lambda place: usage)
    for share, level in ((0.05, "ok"), (0.2, "warning"), (0.4, "error")):
        tune(DOCTOR_DISK_SHARE=share)
        assert database.judge_free_space("it", tmp_path).level.value == level


@pytest.mark.django_db(transaction=True)
def test_the_doctor_names_transactions_that_are_older_than_the_operator_says(tune):
    """What else goes on in the database may take its time."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_sleep(0.05)")
        tune(DOCTOR_TRANSACTION_SECONDS=0.01)
        assert said(database.check_transactions)[0] == "warning"
        tune(DOCTOR_TRANSACTION_SECONDS=600)
        assert said(database.check_transactions)[0] == "ok"
    finally:
        other.close()


def test_hours_of_the_charts_are_kept_for_as_long_as_the_operator_says(tune):
    """Minutes go after two days all the same."""
    old = clock.db_now() - timedelta(days=5)
    JobFactory(state="succeeded", started_at=old, finished_at=old)
    rolling.roll_up_minutes()
    assert set(Rollup.objects.values_list("span", flat=True)) == {300, 3600}
    tune(ROLLUPS_RETENTION_DAYS=4)
    rolling.roll_up_minutes()
    assert set(Rollup.objects.values_list("span", flat=True)) == {300}


def test_a_shared_task_without_a_limit_gets_the_operators(tune):
    """One that names its own keeps it; a longer soft limit is doubled."""
    tune(SHARED_TASK_TIME_LIMIT_SECONDS=90)
    given = ({}, {"time_limit": 5}, {"soft_time_limit": 60})
    assert [_limits(limits)["hard_timeout"] for limits in given] == [90, 5, 120]


def test_readiness_waits_for_as_long_as_the_operator_says(tune, monkeypatch):
    """For a database that hangs."""
    waited = []
    monkeypatch.setattr(health._HealthCheck, "begin", lambda check: None)
    monkeypatch.setattr(health._HealthCheck, "end", lambda check, wait: waited.append(wait) or {})
    tune(HEALTH_TIMEOUT_SECONDS=0.75)
    assert health.health_report()["database"].says == "no answer within 0.75 s"
    assert waited == [0.75, 0.75]


def test_a_process_is_told_by_variables(tmp_path):
    """What modules read when they are loaded is what the environment says."""
    told = {
        "API_MAX_BULK_JOBS": 7,
        "CALLBACK_MAX_ATTEMPTS": 3,
        "METRICS_TIMEOUT_SECONDS": 4.0,
        "METRICS_DEPTHS_SECONDS": 9.0,
    }
    env = os.environ | {name: str(value) for name, value in told.items()}
    command = [sys.executable, "-c", _LOADED]
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == told | {"written": True}
