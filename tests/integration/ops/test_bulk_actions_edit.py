"""Editing one job's arguments, and steering one that waits."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from celeriac import InvalidArgs, Superseded, TransitionRefused, UnknownKind
from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.operating.operate import act_on_job
from tests.factories import JobFactory
from tests.integration.ops.bulk_actions_support import dead_jobs, member

pytestmark = pytest.mark.django_db


def edit(job_id, **options):
    """Give a job other arguments."""
    return act_on_job(ACTIONS["edit"], job_id, **options)


def dialog(client, job, verb, **fields):
    """Send a dialog of a job's page."""
    url = reverse(f"admin:celeriac_jobs_job_{verb}", args=[job.pk])
    return client.post(url, {"_form_submitted": "on", "reason": "x"} | fields, follow=True)


def test_a_dead_job_runs_again_with_other_arguments():
    """The old ones stay in the audit trail."""
    job = dead_jobs(1, failures=3, losses=1)[0]
    edited = edit(job.pk, args={"name": "b"}, actor="cli", reason="typing error")
    assert (edited.state, edited.args, edited.failures) == ("queued", {"name": "b"}, 0)
    entry = Audit.objects.get()
    assert (entry.verb, entry.target_id, entry.reason) == ("job.edit", str(job.pk), "typing error")
    assert entry.details == {
        "state": "dead",
        "args_before": {"name": "a"},
        "args_after": {"name": "b"},
    }


def test_a_queued_job_waits_on_with_other_arguments():
    """Its time and its failures as they were."""
    later = clock.db_now() + timedelta(hours=1)
    job = JobFactory(run_at=later, failures=2)
    edited = edit(job.pk, args={"name": "b", "value": "c"}, actor="cli")
    assert (edited.run_at, edited.failures, edited.args["value"]) == (later, 2, "c")


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_what_runs_or_succeeded_is_not_edited(state):
    """It has read its arguments already."""
    with pytest.raises(TransitionRefused, match=state):
        edit(JobFactory(state=state).pk, args={"name": "b"}, actor="cli")


def test_arguments_that_the_kind_refuses_change_nothing():
    """Each bad field is named."""
    job = dead_jobs(1)[0]
    with pytest.raises(InvalidArgs) as refused:
        edit(job.pk, args={"nme": "b"}, actor="cli")
    assert set(refused.value.errors) == {"nme", "name"}
    with pytest.raises(UnknownKind):
        edit(dead_jobs(1, kind="test.gone")[0].pk, args={}, actor="cli")
    job.refresh_from_db()
    assert (job.state, job.args) == ("dead", {"name": "a"})
    assert not Audit.objects.exists()


def test_keys_made_from_arguments_are_made_anew_and_chosen_ones_stay():
    """Or two jobs of one account could run side by side."""
    made, chosen = (
        JobFactory(kind="test.locked", state="dead", args={"account": "a"}, lock_key=key)
        for key in ("account:a", "the-caller's")
    )
    assert edit(made.pk, args={"account": "b"}, actor="cli").lock_key == "account:b"
    assert edit(chosen.pk, args={"account": "b"}, actor="cli").lock_key == "the-caller's"


def test_an_edit_towards_a_queued_twin_is_refused():
    """With the other job's name."""
    duplicate = JobFactory(unique_key="night")
    job = dead_jobs(1, unique_key="night")[0]
    with pytest.raises(Superseded, match=str(duplicate.pk)):
        edit(job.pk, args={"name": "b"}, actor="cli")
    job.refresh_from_db()
    assert (job.state, job.args) == ("dead", {"name": "a"})


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("run_now", {}),
        ("priority", {"priority": "7"}),
        ("queue", {"queue": "payments"}),
    ],
)
def test_a_waiting_job_is_steered_from_its_page(client, verb, fields):
    """With a reason, by whoever may, and written down."""
    job = JobFactory(run_at=clock.db_now() + timedelta(hours=1))
    client.force_login(member("viewer"))
    assert dialog(client, job, verb, **fields).status_code == 403
    client.force_login(member("operator"))
    assert dialog(client, job, verb, **fields).status_code == 200
    row = Job.objects.get(pk=job.pk)
    assert {
        "run_now": row.run_at < job.run_at,
        "priority": row.priority == 7,
        "queue": row.queue == "payments",
    }[verb]
    assert Audit.objects.get().verb == "job.change"


def test_the_dialog_says_what_is_wrong_with_arguments(client):
    """And keeps what was typed."""
    client.force_login(member("operator"))
    job = dead_jobs(1)[0]
    for text, said in (
        ('{"nme": "b"}', "did you mean"),
        ("[1]", "Write an object"),
        ("{", "Enter a valid JSON"),
        ('{"name": ' * 100_000, "nested too deeply"),
    ):
        page = dialog(client, job, "edit", args=text).content.decode()
        assert said in page
    assert not Audit.objects.exists()
    dialog(client, job, "edit", args='{"name": "b"}')
    assert Job.objects.get(pk=job.pk).args == {"name": "b"}


def test_secrets_are_neither_shown_nor_lost(client, monkeypatch):
    """A mask that comes back stands for what it hides."""
    kind = registry.find_kind("test.note")
    monkeypatch.setitem(registry._kinds, "test.note", replaced(kind, redact=("value",)))
    client.force_login(member("operator"))
    job = dead_jobs(1, args={"name": "a", "value": "hush"})[0]
    page = client.get(reverse("admin:celeriac_jobs_job_edit", args=[job.pk])).content.decode()
    assert "hush" not in page
    assert "•••" in page
    moved = dialog(client, job, "edit", args='{"name": "•••", "value": "c"}')
    assert "write the value itself" in moved.content.decode()
    dialog(client, job, "edit", args='{"name": "b", "value": "•••"}')
    assert Job.objects.get(pk=job.pk).args == {"name": "b", "value": "hush"}
    assert "hush" not in str(Audit.objects.get().details)


def replaced(kind, **fields):
    """Return a kind with other options."""
    return replace(kind, **fields)
