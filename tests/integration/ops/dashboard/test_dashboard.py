"""The dashboard's facts: right, cheap, and only for those who may see them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from apps.payments.models import Operation
from celeriac.breakers.api import force_open
from celeriac.console.paginating import InfinitePaginator
from celeriac.core import clock
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.monitoring.models import Sample
from celeriac.monitoring.rollups import rolling
from celeriac.schedules.api import sync_schedules
from celeriac.schedules.models import Beat
from tests.factories import AttemptFactory, JobFactory, UserFactory
from tests.factories_domain import PaymentFactory, capture_of
from tests.integration.ops.dashboard.support import ended, failed, minute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shifted")]

URL = "/admin/dashboard/data/"


@pytest.fixture
def root(client, django_user_model):
    """Return a client that may see everything."""
    client.force_login(django_user_model.objects.create_superuser("root@example.com", "x"))
    return client


@pytest.fixture
def viewer(client):
    """Return a function that signs in staff who may view some models."""

    def sign_in(*codenames, is_staff=True):
        user = UserFactory(is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def served(shifted):
    """Make a dispatcher, a worker and a beat that live."""
    now = clock.db_now()
    Queue.objects.bulk_create(
        [Queue(name=name) for name in ("default", "payments", "notifications", "maintenance")],
        ignore_conflicts=True,
    )
    Queue.objects.update(
        holder="11111111-1111-1111-1111-111111111111",
        holder_name="dispatcher@here",
        lease_until=now + timedelta(minutes=5),
    )
    queues = list(Queue.objects.values_list("name", flat=True))
    Beat.objects.create(host="here", pid=7)
    return Worker.objects.create(name="w", host="h", pid=1, slots=4, queues=queues, kinds=[])


def facts(client, **query):
    """Return what a refresh shows."""
    answer = client.get(URL, query)
    assert answer.status_code == 200
    return answer.json()


def queue(found, name):
    """Return one queue's facts."""
    return next(each for each in found["queues"] if each["name"] == name)


def texts(found):
    """Return the sentences that ask for attention."""
    return " ".join(each["text"] for each in found["attention"])


@pytest.mark.usefixtures("served")
def test_a_quiet_platform_needs_nothing(root):
    """No sentence."""
    rolling.roll_up_minutes()
    found = facts(root)
    assert found["attention"] == []
    assert queue(found, "default") | {"url": ""} == {
        "name": "default",
        "url": "",
        "waiting": 0,
        "more": "",
        "views": {"queued": 0, "scheduled": 0, "retrying": 0, "parked": 0},
        "running": 0,
        "oldest": 0.0,
        "oldest_free": 0.0,
        "parked": [],
        "pause": None,
        "dispatched": True,
        "worked": True,
    }


@pytest.mark.usefixtures("served")
def test_jobs_of_a_kind_that_nobody_declares_are_no_quiet_matter(root):
    """They wait for ever, whatever else is well."""
    rolling.roll_up_minutes()
    JobFactory(kind="nobody.knows")
    assert "1 job waits for a kind that nobody declares" in texts(facts(root))


def test_a_silent_workers_jobs_are_not_said_to_be_safe_without_a_dispatcher(root, served):
    """Nobody takes them back then."""
    silent = clock.db_now() - timedelta(minutes=5)
    JobFactory(state="running", worker=served.pk)
    Worker.objects.filter(pk=served.pk).update(beat_at=silent)
    assert "A dispatcher takes its jobs back." in texts(facts(root))
    Queue.objects.update(lease_until=None)
    assert "wait for a dispatcher to take them back" in texts(facts(root))


@pytest.mark.usefixtures("served")
def test_a_payment_that_waits_for_a_human_asks_for_one(root, viewer):
    """Those who may see operations are told, with the way there."""
    rolling.roll_up_minutes()
    operation = capture_of(PaymentFactory())
    now = clock.db_now()
    Operation.objects.filter(pk=operation.pk).update(
        state="unknown", submitted_at=now, review_at=now, review_reason="nobody answered"
    )
    found = facts(root)
    assert "1 payment operation waits for a human" in texts(found)
    links = [each["url"] for each in found["attention"]]
    assert any(root.get(link).status_code == 200 and "review=yes" in link for link in links if link)
    assert "waits for a human" not in texts(facts(viewer("view_job")))


@pytest.mark.usefixtures("served")
def test_waiting_jobs_are_told_apart_by_what_they_wait_for(root):
    """Due, scheduled, retrying, and parked by each reason."""
    now = clock.db_now()
    JobFactory(run_at=now - timedelta(seconds=50))
    JobFactory(run_at=now + timedelta(hours=1), priority=9)
    JobFactory(attempt=1, run_at=now)
    JobFactory(kind="nobody.knows", run_at=now)
    JobFactory(state="running", lock_key="a")
    JobFactory(lock_key="a", run_at=now)
    found = facts(root)
    default = queue(found, "default")
    assert default["views"] == {"queued": 1, "scheduled": 1, "retrying": 1, "parked": 2}
    assert (default["waiting"], default["running"]) == (5, 1)
    assert 50 <= default["oldest"] < 80
    assert {row["reason"]: row["count"] for row in found["parked"]} == {
        "lock": 1,
        "unknown_kind": 1,
    }


@pytest.mark.usefixtures("served")
def test_a_job_that_no_deploy_lets_end_is_said_and_linked(root, served):
    """What nothing else would say: it fails nowhere, and begins anew each time."""
    job = JobFactory()
    for number in (1, 2, 3):
        AttemptFactory(job=job, number=number, outcome="stopped")
    told = {each["text"]: each["url"] for each in facts(root)["attention"]}
    [url] = [told[text] for text in told if f"{job.kind} was cut short by 3 stops" in text]
    assert str(job.id) in url


def test_a_paused_queue_says_by_whom_and_why(root):
    """And how many wait for it."""
    Queue.objects.filter(name="default").update(
        paused_at=clock.db_now(), paused_by="eve@example.com", pause_reason="deploy"
    )
    JobFactory.create_batch(3)
    found = facts(root)
    assert "The queue default is paused by eve@example.com: deploy. 3 jobs wait." in texts(found)
    assert found["parked"][0]["why"] == "the queue default is paused"
    Queue.objects.update(paused_until=clock.db_now() - timedelta(seconds=1))
    assert "paused" not in texts(facts(root))


@pytest.mark.usefixtures("served")
def test_an_open_circuit_says_how_many_jobs_it_parks(root):
    """With the reason it was given."""
    JobFactory(kind="test.guarded", args={})
    force_open("payments", reason="their status page is red", actor=None)
    found = facts(root)
    assert "payments is forced open" in texts(found)
    assert "their status page is red" in texts(found)
    assert "1 job is parked" in texts(found)
    assert found["circuits"][0]["name"] == "payments"
    assert not found["circuits"][0]["fine"]


def test_nobody_at_work_is_the_first_thing_said(root):
    """No dispatcher, no worker, no beat: each in a sentence that says what to start."""
    sync_schedules()
    PeriodicTask.objects.update(enabled=True)
    from celeriac.schedules.models import Policy

    Policy.objects.update(next_fire_at=clock.db_now() - timedelta(minutes=9))
    Queue.objects.update(lease_until=None)
    JobFactory()
    found = facts(root)
    assert [each["level"] for each in found["attention"][:3]] == ["danger"] * 3
    for words in ("No dispatcher runs", "No living worker serves the queue default", "No beat"):
        assert words in texts(found)


def test_a_silent_worker_is_named(root, served):
    """One that signed off is not."""
    Worker.objects.filter(pk=served.pk).update(beat_at=clock.db_now() - timedelta(minutes=3))
    JobFactory(state="running", worker=served.pk)
    Worker.objects.create(name="gone", host="h", pid=2, slots=1, stopped_at=clock.db_now())
    found = facts(root)
    assert "Worker w has been silent for 3 min" in texts(found)
    assert [(each["name"], each["alive"]) for each in found["workers"]] == [("w", False)]


@pytest.mark.usefixtures("served")
def test_dead_letters_stand_by_class_of_error_with_their_past(root):
    """Those that are dead now, and those that died in the window."""
    at = minute(ago=3)
    for number in range(3):
        failed(ended(at, state="dead"), at, outcome="dead", error_class="ValueError")
        if number:
            failed(ended(at, state="dead"), at, outcome="dead", error_class="KeyError")
    rolling.roll_up_minutes()
    Job.objects.filter(state="dead").order_by("id").first().delete()
    found = facts(root, window="15m")
    assert [(e["error_class"], e["count"]) for e in found["dead"]["classes"]] == [
        ("KeyError", 2),
        ("ValueError", 2),
    ]
    deaths = {each["error_class"]: each for each in found["charts"]["deaths"]}
    assert deaths["ValueError"]["count"] == 3
    assert deaths["ValueError"]["points"][-3:] == [3.0, 0.0, 0.0]
    assert "4 jobs died since" in texts(found)


@pytest.mark.usefixtures("served")
def test_the_charts_are_sent_when_they_have_changed_and_only_then(root, shifted):
    """A minute later, or over another window."""
    with shifted(minutes=-2):
        rolling.roll_up_minutes()
    charts = facts(root)["charts"]
    assert facts(root, seen=charts["version"])["charts"] is None
    assert facts(root, seen=charts["version"], window="7d")["charts"]["span"] == 3600
    rolling.roll_up_minutes()
    assert facts(root, seen=charts["version"])["charts"]["version"] != charts["version"]


def test_charts_that_stand_still_say_so(root, shifted):
    """Nobody should trust an old picture."""
    assert "The charts have stood still" in texts(facts(root))
    with shifted(minutes=-10):
        rolling.roll_up_minutes()
    assert "The charts have stood still since" in texts(facts(root))
    rolling.roll_up_minutes()
    assert "stood still" not in texts(facts(root))


@pytest.mark.usefixtures("served")
def test_a_long_queue_is_counted_by_the_sample_beyond_a_bound(root, monkeypatch):
    """A refresh costs the same for a hundred jobs and a million."""
    monkeypatch.setattr("celeriac.console.dashboard.queues.MOST", 5)
    JobFactory.create_batch(8)
    assert queue(facts(root), "default")["more"] == "at least"
    rolling.roll_up_minutes()
    found = queue(facts(root), "default")
    assert (found["waiting"], found["more"]) == (8, "about")
    Sample.objects.update(at=clock.db_now() - timedelta(minutes=5))
    assert queue(facts(root), "default")["waiting"] == 5


@pytest.mark.usefixtures("served")
def test_a_refresh_takes_the_same_number_of_queries_whatever_there_is(
    root, django_assert_max_num_queries
):
    """With charts, and with fifty of everything."""
    at = minute(ago=2)
    for number in range(50):
        failed(ended(at, state="dead"), at, outcome="dead", error_class=f"E{number}")
        JobFactory(lock_key=f"l{number}")
        Worker.objects.create(name=f"w{number}", host="h", pid=number, slots=1)
    sync_schedules()
    rolling.roll_up_minutes()
    with django_assert_max_num_queries(28):
        facts(root)
    with django_assert_max_num_queries(40):
        assert root.get(reverse("admin:index")).status_code == 200


@pytest.mark.usefixtures("served")
def test_a_store_that_does_not_answer_keeps_nobody_from_looking(root, valkey_server):
    """The admin is for just such days."""
    facts(root)
    valkey_server.pause()
    try:
        assert {each["name"] for each in facts(root)["circuits"]} >= {"payments", "email"}
    finally:
        valkey_server.resume()


def test_a_list_that_nobody_has_counted_names_no_number(root):
    """It has a next page when this one is full."""
    JobFactory.create_batch(60)
    text = root.get(reverse("admin:celeriac_jobs_job_changelist")).content.decode()
    assert str(InfinitePaginator([], 1).count) == "matching"
    assert not re.search(r"\b9{4,}\b", text)
    assert "?p=2" in text
    assert (
        "?p=3"
        not in root.get(reverse("admin:celeriac_jobs_job_changelist") + "?p=2").content.decode()
    )


def test_an_unknown_window_is_the_usual_one(root):
    """Whatever somebody types into the address."""
    assert facts(root, window="<script>")["window"] == "6h"


@pytest.mark.usefixtures("served")
def test_each_part_needs_the_permission_to_view_its_model(viewer):
    """Whoever may not see the list does not see it here."""
    ended(minute(ago=2), state="dead")
    rolling.roll_up_minutes()
    assert {"queues", "parked", "dead"} & facts(viewer("view_worker")).keys() == set()
    found = facts(viewer("view_worker"))
    assert {"workers", "dispatchers"} <= found.keys()
    assert found["charts"] is None
    assert found["attention"] == []
    found = facts(viewer("view_breaker"))
    assert set(found) == {"at", "window", "attention", "charts", "circuits"}
    found = facts(viewer("view_job"))
    assert {"queues", "parked", "dead"} <= found.keys()
    assert not {"workers", "circuits", "beats", "ticks"} & found.keys()
    assert "beats" in facts(viewer("view_periodictask"))


def test_others_see_nothing(client, viewer):
    """Nobody, a customer with a permission, staff without: neither data nor a dashboard."""
    assert client.get(URL).status_code == 403
    customer = viewer("view_job", is_staff=False)
    assert customer.get(URL).status_code == 403
    staff = viewer("view_order")
    answer = staff.get(URL)
    assert (answer.status_code, set(answer.json())) == (403, {"detail"})
    page = staff.get(reverse("admin:index"))
    assert page.status_code == 200
    assert "dashboard-first" not in page.content.decode()


def test_only_get_is_answered(root):
    """It changes nothing."""
    assert root.post(URL).status_code == 405


def test_an_error_class_with_markup_can_not_break_out_of_the_page(root):
    """The first facts stand in the page as JSON."""
    at = minute(ago=1)
    failed(ended(at, state="dead"), at, outcome="dead", error_class="</script><script>alert(1)")
    text = root.get(reverse("admin:index")).content.decode()
    assert "<script>alert(1)" not in text
    assert "\\u003Cscript\\u003Ealert(1)" in text
