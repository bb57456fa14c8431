"""`manage.py doctor`: finds what is wrong, says what to do, and ends as it found."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.payments.plugin import check_times
from celeriac.breakers import services as breakers
from celeriac.console.doctor import (
    broker,
    configuration,
    database,
    examine,
    platform,
    schedules,
)
from celeriac.core import clock
from celeriac.core.clock import Now
from celeriac.jobs import registry
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.jobs.operating import operate_queues
from celeriac.jobs.operating.dead import acknowledge_dead
from celeriac.schedules.models import Beat, Policy
from celeriac.settings import conf
from config import plain
from tests.factories import AttemptFactory, JobFactory
from tests.integration.payments.conftest import circuits  # noqa: F401 a fixture
from tests.support.conf import configure


def doctor(*arguments):
    """Run the command; return its exit code and what it printed."""
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out, no_color=True)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def said(check):
    """Return what a check found, by level."""
    return [(finding.level.value, finding.says, finding.todo) for finding in check()]


@pytest.fixture
def healthy(db, settings, circuits):  # noqa: F811 the fixture above
    """Write what a living platform writes."""
    for name in conf.QUEUES:
        defaults = {"lease_until": Now() + timedelta(hours=1), "holder_name": "d:1"}
        Queue.objects.update_or_create(name=name, defaults=defaults)
    Worker.objects.create(
        name="w@h",
        host="h",
        pid=1,
        slots=2,
        queues=list(conf.QUEUES),
        kinds=registry.kind_names(),
    )
    Beat.objects.create(host="h", pid=1)
    # What `check --deploy` says of the test settings is not what these tests are about.
    settings.DEBUG = True


def test_a_healthy_platform_has_no_findings(healthy):
    """Each part is well, and the command ends with 0."""
    code, text = doctor()
    assert code == 0, text
    for part in ("database", "broker", "clock", "dispatcher", "workers", "beat", "migrations"):
        assert f"ok      {part}" in text
    assert "error" not in text


def test_programs_read_the_same_as_json(healthy):
    """Level, part, what and what to do of each."""
    Queue.objects.update(lease_until=None)
    code, text = doctor("--json")
    found = json.loads(text)
    assert (code, found["healthy"]) == (1, False)
    (bad,) = [each for each in found["findings"] if each["level"] == "error"]
    assert bad["part"] == "dispatcher"
    assert "manage.py dispatcher" in bad["todo"]


def test_a_database_that_is_away_is_the_one_thing_it_says_of_it(monkeypatch, settings):
    """No traceback, and nothing of what could not be asked; no password, either."""
    settings.DEBUG = True
    monkeypatch.setattr(database, "check_connection", _refuse)
    found = list(examine.run_checks())
    assert found[-1].part == "database"
    assert "can't be reached: no route" in found[-1].says
    assert not examine.is_healthy(found)


def _refuse():
    from django.db import OperationalError

    raise OperationalError("no route to host\nis the server running?")


def test_a_check_that_stumbles_does_not_end_the_examination(healthy, monkeypatch):
    """It is a finding itself."""

    def stumble():
        raise KeyError("x")

    monkeypatch.setattr(schedules, "lag_seconds", stumble)
    monkeypatch.setattr(connection, "close", lambda: None)
    code, text = doctor()
    assert code == 1
    assert "beats could not be looked at: 'x'" in text
    assert "error   schedules" in text


def test_a_broker_that_is_away_is_named_without_its_password(settings):
    """Whatever its URL holds."""
    settings.BROKER_URL = "redis://:hunter2@127.0.0.1:1/0"
    found = said(broker.check_stores)
    assert ("error", "can't be reached: ConnectionError") in [each[:2] for each in found]
    assert "hunter2" not in str(found)


def test_a_project_names_its_broker_as_celery_does(settings):
    """It need have no setting that only this platform has."""
    settings.CELERY_BROKER_URL = settings.BROKER_URL
    del settings.BROKER_URL, settings.CACHE_URL
    found = [each for each in broker.check_stores() if each.level.value == "ok"]
    assert any(each.says.startswith("answers in") for each in found)
    assert "cache" not in {each.part for each in broker.check_stores()}


@pytest.mark.parametrize(
    ("skew", "blur", "level"),
    [(0.5, 0.0, "ok"), (1.5, 0.8, "ok"), (-1.5, 0.1, "warning"), (7.0, 0.1, "error")],
)
def test_a_skew_counts_beyond_what_the_trip_blurs(skew, blur, level):
    """A slow network is no wrong clock."""
    assert database.judge_clock("it", skew, blur).level == level


def test_a_ledger_clock_that_is_set_off_is_an_error(healthy):
    """Only tests do that."""
    with clock.offset_clock(timedelta(hours=1)):
        assert "error" in [level for level, *_ in said(database.check_clock)]


@pytest.mark.parametrize(("free", "level"), [(50, "ok"), (10, "warning"), (2, "error")])
def test_a_disk_without_room_is_named(monkeypatch, tmp_path, free, level):
    """Before the database stops."""
    usage = type("Usage", (), {"free": free, "total": 100})
    monkeypatch.setattr(database.shutil, "disk_usage", lambda place: usage)
    assert database.judge_free_space("the database", tmp_path).level == level


def test_workers_that_are_silent_and_queues_that_nobody_serves_are_named(healthy):
    """With the command that helps."""
    Worker.objects.update(beat_at=Now() - timedelta(minutes=5))
    JobFactory(state="running", worker=Worker.objects.get().pk)
    levels = [(level, todo) for level, _, todo in said(platform.check_workers)]
    assert [level for level, _ in levels] == ["warning", "error"]
    assert "celery -A config worker --queues=callbacks,default,maintenance; " in levels[1][1]
    assert "manage.py celeriac worker notifications payments." in levels[1][1]


def test_more_slots_than_connections_are_named_before_they_are_used(healthy):
    """Each thread of a job may need one, beside those that its process and its parent have."""
    assert said(database.check_transactions)[1][0] == "ok"
    Worker.objects.update(queues=["payments"], slots=40)
    assert database.workers_connections() == 1 + 2 * 22
    Worker.objects.update(slots=20_000)
    level, says, todo = said(database.check_transactions)[1]
    assert (level, says.partition("; ")[2]) == (
        "warning",
        "the living workers' slots may take 22001",
    )
    assert "fewer slots" in todo


def test_jobs_of_a_kind_that_no_worker_knows_are_named(healthy):
    """An old name that a living worker knows under its new one is none."""
    JobFactory(kind="test.gone")
    JobFactory(kind="test.old_name")
    (finding,) = said(platform.check_kinds)
    assert finding[0] == "warning"
    assert "test.gone" in finding[1]
    assert "--kind test.gone" in finding[2]


def test_a_beat_is_missed_where_something_is_scheduled_and_two_are_none_too_many(healthy):
    """Ticks are unique, so doubled beats are no fault of anybody's."""
    assert said(schedules.check_beats)[0][:2] == ("ok", "1 living")
    Beat.objects.create(host="h", pid=2)
    assert said(schedules.check_beats)[0][1].startswith("2 living: any number may run")
    Beat.objects.update(beat_at=Now() - timedelta(minutes=5))
    PeriodicTask.objects.all().delete()
    assert said(schedules.check_beats)[0][:2] == ("ok", "nothing is scheduled")


def test_a_tick_that_waits_for_a_beat_is_late(healthy):
    """A beat that lives and is stuck."""
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    task = PeriodicTask.objects.create(name="some", task="test.noop", interval=every)
    late = Now() - timedelta(minutes=5)
    defaults = {"anchor": late, "cursor": late, "next_fire_at": late}
    Policy.objects.update_or_create(periodic_task=task, defaults=defaults)
    (_, (level, says, _)) = said(schedules.check_beats)
    assert level == "warning"
    assert says.startswith("a tick has been due for 30")


def test_pauses_and_circuits_are_named_with_who_and_why(healthy):
    """And with the command that ends them."""
    operate_queues.pause_queue("payments", actor="ann", reason="migration")
    breakers.force_open("payments", reason="maintenance", actor="bob")
    ((_, pause, resume),) = said(platform.check_pauses)
    assert "payments is paused by ann: migration" in pause
    assert "queues resume payments" in resume
    ((_, circuit, clear),) = said(platform.check_circuits)
    assert "forced open" in circuit
    assert "bob: maintenance" in circuit
    assert "breakers clear payments" in clear


def test_a_job_that_deploys_cut_short_three_times_in_a_row_is_named(healthy):
    """Not after two, nor where a run between them ended otherwise, nor once it has ended."""
    cut, twice, between, over = JobFactory.create_batch(4)
    for job, ends in (
        (cut, ("failed", *["stopped"] * 3)),
        (twice, ["stopped"] * 2),
        (between, ("stopped", "stopped", "failed", "stopped")),
        (over, ["stopped"] * 3),
    ):
        for number, outcome in enumerate(ends, 1):
            AttemptFactory(job=job, number=number, outcome=outcome)
    Job.objects.filter(pk=over.pk).update(state="succeeded", finished_at=Now())
    ((level, says, todo),) = said(platform.check_stopped)
    assert level == "warning"
    assert says == f"A job of {cut.kind} was cut short by 3 stops of its workers in a row: {cut.id}"
    assert "SHUTDOWN_GRACE_SECONDS" in todo


def test_deaths_are_named_until_somebody_has_dealt_with_them(healthy):
    """However old."""
    JobFactory.create_batch(3, state="dead")
    old = JobFactory(state="dead")
    type(old).objects.filter(id=old.id).update(finished_at=Now() - timedelta(hours=20))
    ((level, says, _),) = said(platform.check_dead_letters)
    assert level == "warning"
    assert says.startswith("4 jobs died since ")
    acknowledge_dead(actor="ann", reason="known")
    assert said(platform.check_dead_letters) == []


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("HEARTBEAT_SECONDS", 19.0, "HEARTBEAT_SECONDS"),
        ("SCHEDULES_BEAT_LEASE_SECONDS", 6.0, "SCHEDULES_BEAT_LEASE_SECONDS"),
        ("PAYMENTS_TIMEOUT", 60.0, "permit"),
        ("PAYMENTS_KEY_HOURS", 25.0, "a key is used"),
        ("CELERY_BEAT_SCHEDULER", "celery.beat:PersistentScheduler", "another scheduler"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings, name, value, word):
    """Each at its own place."""
    settings.DEBUG = True
    configure(settings, **{name: value})
    found = [
        *configuration.check_settings(),
        *configuration.check_engine(),
        *configuration.check_times(),
        *check_times(),
    ]
    (finding,) = [each for each in found if each.level != "ok"]
    assert word in finding.says
    assert finding.todo


def test_a_plain_task_without_fitting_limits_is_named(settings, monkeypatch):
    """Ours alone: a host that names no such check is not asked."""
    assert said(configuration.check_plain_limits) == []
    task = plain.app.tasks["test.plain"]
    for name, value, word in (
        ("time_limit", 7200, "runs for 7200 s and is delivered again after 3600 s"),
        ("time_limit", 60, "is killed after 60 s, before its soft limit of 1500 s"),
        ("soft_time_limit", 1800, "is killed after 1800 s"),
        ("time_limit", 0, "has no hard limit"),
        ("time_limit", None, "has no hard limit"),
        ("soft_time_limit", 0, "has no soft limit"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(task, name, value)
            ((level, says, todo),) = said(configuration.check_plain_limits)
        assert (level, says.startswith("test.plain ")) == ("warning", True)
        assert word in says
        assert "time_limit" in todo
    settings.CELERIAC = {**settings.CELERIAC, "PLAIN_TASK_LIMITS": ""}
    assert said(configuration.check_plain_limits) == []
