"""`manage.py jobs` and `manage.py queues`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from celeriac.console.actions import runner
from celeriac.core.arguments import login_name
from celeriac.core.models import Audit
from celeriac.jobs.models import Job, Queue
from tests.factories import AttemptFactory, JobFactory
from tests.factories_schedules import PeriodicTaskFactory
from tests.support.threads import held_open

pytestmark = pytest.mark.django_db


def run(*line):
    """Run a command and return what it printed."""
    out = StringIO()
    call_command(*[str(word) for word in line], stdout=out)
    return out.getvalue()


def run_json(*line):
    """Run a command with --json and return what it printed, read."""
    return json.loads(run(*line, "--json"))


def test_a_job_is_enqueued_from_the_command_line():
    """Values are JSON where they read as such, and one object may hold them all."""
    printed = run("jobs", "enqueue", "test.note", "name=a", "value=b", "--priority=5").strip()
    job = Job.objects.get()
    assert (str(job.id), job.args, job.priority) == (printed, {"name": "a", "value": "b"}, 5)
    assert job.enqueued_by == login_name()
    line = ["jobs", "enqueue", "test.noop", '{"number": 5}', "--run-at", "2099-01-01T00:00:00Z"]
    assert run_json(*line)["args"] == {"number": 5}
    assert Job.objects.get(kind="test.noop").run_at.year == 2099


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["enqueue", "test.note", "name"], "name=value"),
        (["enqueue", "test.note", "{nope"], "no JSON object"),
        (["enqueue", "test.note", "name=a", "--run-at", "soon"], "no date"),
        (["enqueue", "test.note", "name=a", "--run-at", "2030-13-01T09:00Z"], "no date"),
        (["cancel"], "--all"),
    ],
)
def test_a_line_that_makes_no_sense_says_what_would(line, words):
    """Before anything is written."""
    with pytest.raises(CommandError, match=words):
        run("jobs", *line)


def test_jobs_are_listed_by_filter():
    """The view is what people call it."""
    JobFactory(state="dead", error="no luck")
    JobFactory(queue="payments")
    table = run("jobs", "list")
    assert "no luck" in table
    assert len(table.splitlines()) == 3
    (row,) = run_json("jobs", "list", "--state=dead", "--kind=test.note", "--queue=default")
    assert (row["view"], row["error"]) == ("dead", "no luck")
    assert run("jobs", "list", "--queue=maintenance").strip() == "(none)"


def test_a_job_is_shown_with_its_runs_and_why_it_waits():
    """All of the row, and the reasons."""
    job = JobFactory(attempt=1, failures=1)
    AttemptFactory(job=job, message="no luck")
    text = run("jobs", "show", job.id)
    assert "no luck" in text
    assert "no living worker serves the queue default" in text
    whole = run_json("jobs", "show", job.id)
    assert whole["attempts"][0]["message"] == "no luck"
    assert {wait["code"] for wait in whole["waiting"]} == {"no_worker", "no_dispatcher"}


def test_jobs_are_retried_and_cancelled_by_id_and_by_filter():
    """Each leaves an audit row of the person at the terminal."""
    job = JobFactory(state="dead")
    assert str(job.id) in run("jobs", "retry", job.id, "--reason=fixed")
    assert str(job.id) in run("jobs", "cancel", job.id)
    JobFactory.create_batch(2, state="dead")
    assert run_json("jobs", "retry", "--state=dead") == {"retried": 2}
    assert run_json("jobs", "cancel", "--all") == {"cancelled": 2}
    assert set(Audit.objects.values_list("actor_name", flat=True)) == {login_name()}
    assert Audit.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_what_others_hold_is_left_and_the_command_fails(monkeypatch, capsys):
    """It says how many it did, on its own, and a script does not take them for all."""
    monkeypatch.setattr(runner, "PATIENCE", 0.01)
    held, *_ = JobFactory.create_batch(3, state="dead")
    with (
        held_open(lambda: list(Job.objects.select_for_update().filter(pk=held.pk))),
        pytest.raises(CommandError, match=r"^1 held by other transactions were left"),
    ):
        call_command("jobs", "retry", "--state=dead", "--json")
    assert json.loads(capsys.readouterr().out) == {"retried": 2}


def test_stats_show_depths_and_recent_endings():
    """By queue and by kind."""
    JobFactory(queue="payments")
    JobFactory(state="running")
    JobFactory(state="succeeded")
    stats = run_json("jobs", "stats")
    depth = {row["queue"]: row for row in stats["queues"]}
    assert (depth["payments"]["queued"], depth["default"]["running"]) == (1, 1)
    assert stats["recent"][0]["kind"] == "test.note"
    assert "succeeded" in run("jobs", "stats")


def test_queues_are_paused_listed_and_resumed():
    """The list says who paused it and why."""
    run("queues", "pause", "payments", "--reason=gateway", "--for=60")
    (row,) = [row for row in run_json("queues", "list") if row["queue"] == "payments"]
    assert (row["paused"], row["paused_by"], row["pause_reason"]) == (
        True,
        login_name(),
        "gateway",
    )
    assert "gateway" in run("queues", "list")
    run("queues", "resume", "payments")
    assert Queue.objects.get(name="payments").paused_at is None


MUTATING = [
    ("queues", "pause", "default", "--reason", "x"),
    ("queues", "resume", "default"),
    ("breakers", "force", "payments", "open", "--reason", "x"),
    ("breakers", "clear", "payments"),
    ("schedules", "pause", "nightly", "--reason", "x"),
    ("schedules", "resume", "nightly"),
    ("schedules", "run", "nightly"),
    ("schedules", "backfill", "nightly", "2026-01-01", "2026-01-02"),
    ("jobs", "cancel", "--kind", "test.note"),
    ("jobs", "retry", "--kind", "test.note"),
    ("jobs", "acknowledge", "--reason", "x"),
]


def test_every_command_that_changes_something_names_a_person():
    """The login name, unless told another; the trail said "cli"."""
    Queue.objects.get_or_create(name="default")
    PeriodicTaskFactory(name="nightly", cron="0 3 * * *")
    for line in MUTATING:
        for words, name in (((), login_name()), (("--actor", "anna"), "anna")):
            before = set(Audit.objects.values_list("pk", flat=True))
            run(*line, *words)
            fresh = Audit.objects.exclude(pk__in=before)
            assert set(fresh.values_list("actor_name", flat=True)) == {name}, line
    assert Queue.objects.get(name="default").paused_by == ""
    run("jobs", "enqueue", "test.note", "name=a", "--actor", "anna")
    assert Job.objects.latest("id").enqueued_by == "anna"


def test_no_name_makes_a_job_an_accounts_own():
    """A service account's jobs bear "api:" and its name."""
    with pytest.raises(CommandError, match="is no name of a person"):
        run("jobs", "enqueue", "test.note", "name=a", "--actor", "api:billing")
