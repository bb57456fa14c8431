"""The ledger's pages: they list, search, show, and act through audited services."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.jobs.models import Attempt, Job, Queue, Worker
from celeriac.schedules.models import Tick
from tests.factories import AttemptFactory, JobFactory
from tests.factories_schedules import PeriodicTaskFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client, django_user_model):
    """Return a client that is signed in as a user who may do everything."""
    client.force_login(django_user_model.objects.create_superuser("root@example.com", "x"))
    return client


@pytest.fixture
def viewer(client, django_user_model):
    """Return a client of a user who may look at jobs and queues, and nothing else."""
    user = django_user_model.objects.create_user("eye@example.com", "x", is_staff=True)
    looks = ["view_job", "view_queue", "view_worker", "view_attempt"]
    user.user_permissions.set(Permission.objects.filter(codename__in=looks))
    client.force_login(user)
    return client


def page(model, name, *arguments):
    """Return an admin page's address."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{name}", args=arguments)


def act(client, action, *jobs):
    """Run an action over jobs, and confirm its preview."""
    chosen = [str(job.pk) for job in jobs]
    data = {"action": action, "_selected_action": chosen}
    shown = client.post(page(Job, "changelist"), data, follow=True)
    if shown.context is None or "form" not in shown.context:
        return shown
    confirm = shown.context["form"]["confirm"].value()
    url = shown.request["PATH_INFO"]
    data = {"confirm": confirm, "ids": chosen, "reason": "as told"}
    return client.post(url, data, follow=True)


def detail(client, model, verb, row, **fields):
    """Post a verb's dialog on one row's page."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{verb}", args=[row.pk])
    return client.post(url, {"_form_submitted": "on", **fields}, follow=True)


@pytest.fixture
def ended(make_job, answer):
    """Return a job that ended dead after two failures."""
    job = make_job("test.fail", max_attempts=1)
    answer(job)
    job.refresh_from_db()
    return job


def tick_of(task):
    """Write a tick."""
    return Tick.objects.create(periodic_task=task, scheduled_for=clock.db_now(), status="fired")


def queries_of(staff, model):
    """Return how many questions a list costs."""
    with CaptureQueriesContext(connection) as asked:
        assert staff.get(page(model, "changelist")).status_code == 200
    return len(asked)


@pytest.mark.parametrize(
    ("model", "make"),
    [
        (Job, lambda n: JobFactory()),
        (Attempt, lambda n: AttemptFactory()),
        (Worker, lambda n: Worker.objects.create(name=f"w{n}", host="h", pid=n, slots=1)),
        (PeriodicTask, lambda n: PeriodicTaskFactory()),
        (Tick, lambda n: tick_of(PeriodicTaskFactory())),
    ],
)
def test_a_list_of_many_costs_what_a_list_of_one_does(staff, model, make):
    """No row asks anything of its own."""
    make(0)
    queries_of(staff, model)  # what a process asks once
    few = queries_of(staff, model)
    for number in range(1, 12):
        make(number)
    assert queries_of(staff, model) == few


@pytest.mark.parametrize("model", [Job, Attempt, Queue, Worker, Audit])
def test_every_page_lists_and_shows_in_few_queries(
    staff, ended, worker_context, model, django_assert_max_num_queries
):
    """The number of queries does not grow with rows."""
    Worker.objects.create(id=worker_context.worker, name="w", host="h", pid=1, slots=1)
    Queue.objects.get_or_create(name="default")
    JobFactory.create_batch(30)
    act(staff, "retry_chosen", ended)
    with django_assert_max_num_queries(12):
        assert staff.get(page(model, "changelist")).status_code == 200
    row = model.objects.first()
    with django_assert_max_num_queries(24):
        assert staff.get(page(model, "change", row.pk)).status_code == 200


def test_a_job_is_found_by_its_id_and_by_its_keys(staff, make_job):
    """And by nothing that only looks like it."""
    job = make_job("test.noop", unique_key="night-run", correlation_id="abc")
    make_job("test.noop")
    for term in (str(job.id), "night-run", "abc"):
        found = staff.get(page(Job, "changelist"), {"q": term}).context["cl"].queryset
        assert [row.id for row in found] == [job.id]
    assert not staff.get(page(Job, "changelist"), {"q": "nothing"}).context["cl"].queryset


def test_the_page_says_why_a_job_waits(staff, make_job):
    """A sentence, not a column."""
    Queue.objects.update_or_create(
        name="default", defaults={"paused_at": "2026-01-01T00:00Z", "pause_reason": "deploy"}
    )
    job = make_job("test.noop")
    text = staff.get(page(Job, "change", job.pk)).content.decode()
    assert "It is not running because the queue default is paused: deploy." in text
    assert "deploy" in text


def test_retry_and_cancel_over_a_choice_are_audited(staff, ended, make_job):
    """Each verb is a service call that leaves a row."""
    waiting = make_job("test.noop")
    act(staff, "retry_chosen", ended, waiting)
    ended.refresh_from_db()
    assert (ended.state, ended.failures) == ("queued", 0)
    act(staff, "cancel_chosen", ended, waiting)
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
    assert list(Audit.objects.order_by("at").values_list("verb", "count", "actor_name")) == [
        ("job.retry", 1, "root@example.com"),
        ("job.cancel", 2, "root@example.com"),
    ]


def test_a_verb_on_one_job_asks_for_a_reason(staff, ended):
    """Without one nothing happens."""
    detail(staff, Job, "retry", ended)
    ended.refresh_from_db()
    assert ended.state == "dead"
    detail(staff, Job, "retry", ended, reason="provider is back")
    ended.refresh_from_db()
    assert ended.state == "queued"
    assert Audit.objects.get().reason == "provider is back"


def test_a_refused_verb_says_why(staff, make_job):
    """A queued job can't be retried."""
    answer = detail(staff, Job, "retry", make_job("test.noop"), reason="why not")
    assert "dead or cancelled" in answer.content.decode()


def test_a_queue_is_paused_and_resumed_with_a_reason(staff):
    """Both are audited."""
    queue, _ = Queue.objects.get_or_create(name="payments")
    detail(staff, Queue, "pause", queue, reason="gateway works", minutes="5")
    queue.refresh_from_db()
    assert (queue.pause_reason, queue.paused_by) == ("gateway works", "root@example.com")
    assert queue.paused_until is not None
    detail(staff, Queue, "resume", queue, reason="done")
    queue.refresh_from_db()
    assert queue.paused_at is None
    assert set(Audit.objects.values_list("verb", flat=True)) == {"queue.pause", "queue.resume"}


def test_a_viewer_can_do_none_of_it(viewer, ended):
    """Each verb is a permission of its own."""
    queue, _ = Queue.objects.get_or_create(name="payments")
    assert viewer.get(page(Job, "change", ended.pk)).status_code == 200
    act(viewer, "retry_chosen", ended)
    assert detail(viewer, Job, "retry", ended, reason="x").status_code == 403
    assert detail(viewer, Queue, "pause", queue, reason="x").status_code == 403
    ended.refresh_from_db()
    queue.refresh_from_db()
    assert (ended.state, queue.paused_at) == ("dead", None)
    assert not Audit.objects.exists()


def test_nothing_is_edited_or_deleted_by_hand(staff, ended):
    """The ledger owns its fields."""
    assert staff.post(page(Job, "change", ended.pk), {"state": "succeeded"}).status_code == 403
    assert staff.post(page(Job, "delete", ended.pk), {"post": "yes"}).status_code == 403
    ended.refresh_from_db()
    assert ended.state == "dead"


def test_a_search_for_attempts_by_anything_but_an_id_finds_by_error_class(staff, ended):
    """Operators paste what they have."""
    for term in ("ValueError", "no-such", str(ended.pk)):
        assert staff.get(page(Attempt, "changelist"), {"q": term}).status_code == 200


def test_a_pause_longer_than_any_calendar_is_refused(staff):
    """With a message at the field, not an error page."""
    queue = Queue.objects.get(name="default")
    for minutes in ("1e9", "1e300"):
        answer = detail(staff, Queue, "pause", queue, reason="long", minutes=minutes)
        assert answer.status_code == 200
        queue.refresh_from_db()
        assert queue.paused_at is None
