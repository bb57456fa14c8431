"""Jobs over HTTP: what goes in, what comes out, and what is refused."""

import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from celeriac.core.models import Audit
from celeriac.http import selectors
from celeriac.http.selectors import jobs_of
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job
from tests.factories import AttemptFactory, JobFactory
from tests.factories_schedules import PeriodicTaskFactory
from tests.integration.api.conftest import Caller, make_account, name_of
from tests.integration.ops.dashboard.test_plans import explain, heard, rows_read

pytestmark = pytest.mark.django_db


def test_a_post_makes_a_job_that_bears_its_account_and_correlation_id(caller, account):
    """201, with the address of the job."""
    answer = caller.post(
        "jobs/",
        {"kind": "test.note", "args": {"name": "a"}, "priority": 7, "queue": "payments"},
        x_correlation_id="order-7",
    )
    assert answer.status_code == 201
    body = answer.json()
    assert answer["X-Correlation-ID"] == body["correlation_id"] == "order-7"
    assert answer["Location"] == f"/api/v1/jobs/{body['id']}/"
    job = Job.objects.get()
    assert (str(job.id), job.kind, job.queue, job.priority) == (
        body["id"],
        "test.note",
        "payments",
        7,
    )
    assert (job.enqueued_by, job.state) == (f"api:{account.name}", "queued")
    assert body["attempts"] == []


def test_times_keys_and_locks_arrive(caller, account):
    """A lock is the account's own, and is shown as it was given."""
    later = timezone.now() + timedelta(hours=1)
    answer = caller.enqueue(
        run_at=later.isoformat(),
        expires_at=(later + timedelta(hours=1)).isoformat(),
        unique_key="u",
        lock_key="l",
        callback_url="https://hooks.example.com/done",
    )
    body, job = answer.json(), Job.objects.get()
    assert answer.status_code == 201
    assert job.run_at == later
    assert job.lock_key == f"api:{account.name}/l"
    assert (body["lock_key"], body["unique_key"]) == ("l", "u")
    assert body["callback_url"] == "https://hooks.example.com/done"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": 5}, "kind"),
        ({"kind": ""}, "kind"),
        ({"kind": "test.noop", "args": []}, "args"),
        ({"kind": "test.noop", "args": None}, "args"),
        ({"kind": "test.noop", "args": {"number": "x"}}, "args.number"),
        ({"kind": "test.note", "args": {}}, "args.name"),
        ({"kind": "test.noop", "args": {"numbr": 1}}, "args.numbr"),
        ({"kind": "test.noop", "priority": 101}, "priority"),
        ({"kind": "test.noop", "priority": "1"}, "priority"),
        ({"kind": "test.noop", "priority": 1.5}, "priority"),
        ({"kind": "test.noop", "priority": True}, "priority"),
        ({"kind": "test.noop", "run_at": 1700000000}, "run_at"),
        ({"kind": "test.noop", "run_at": "2030-01-01T00:00:00"}, "run_at"),
        ({"kind": "test.noop", "run_at": "2030-13-01T00:00:00Z"}, "run_at"),
        ({"kind": "test.noop", "run_at": "0001-01-01T00:00:00+23:59"}, "run_at"),
        ({"kind": "test.noop", "run_at": "9999-12-31T23:59:59-23:59"}, "run_at"),
        ({"kind": "test.noop", "queue": 1}, "queue"),
        ({"kind": "test.noop", "unique_key": ""}, "unique_key"),
        ({"kind": "test.noop", "unique_key": "x" * 501}, "unique_key"),
    ],
)
def test_what_does_not_fit_is_named_by_its_field(caller, body, field):
    """422, and no job."""
    answer = caller.post("jobs/", body)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "member",
    [
        *("id", "state", "tenant", "enqueued_by", "attempt", "max_attempts", "claim_id", "replace"),
        *("scope", "idempotency_key", "fingerprint", "tick", "created_at", "result", "delay"),
    ],
)
def test_nothing_else_of_a_job_can_be_set(caller, member):
    """Mass assignment: a member that is not the caller's is refused, not ignored."""
    answer = caller.enqueue(**{member: "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"][member].startswith("is unknown")


def test_an_unknown_kind_and_an_unknown_queue_say_what_was_probably_meant(caller):
    """422, by name."""
    kind, queue = caller.enqueue("test.nop"), caller.enqueue(queue="defalt")
    assert (kind.status_code, name_of(kind)) == (422, "unknown-kind")
    assert "'test.noop'" in kind.json()["detail"]
    assert (queue.status_code, name_of(queue)) == (422, "unknown-queue")
    assert "'default'" in queue.json()["detail"]


def test_a_lock_that_the_kind_declares_cannot_be_swapped(caller):
    """Two of them would run side by side."""
    answer = caller.enqueue("test.locked", {"account": "a"}, lock_key="mine")
    assert (answer.status_code, name_of(answer)) == (422, "invalid-option")


@pytest.mark.parametrize("url", ["ftp://x.example/", "nonsense", "http://", "http://[bad/"])
def test_a_callback_goes_to_a_web_address(caller, url):
    """422 for anything else."""
    assert caller.enqueue(callback_url=url).status_code == 422


def test_a_job_is_shown_with_its_attempts_progress_and_result(caller, account):
    """To the account that enqueued it."""
    job = JobFactory(
        state="succeeded", enqueued_by=account.origin, result={"n": 1}, progress=[1, 2]
    )
    AttemptFactory(job=job, number=1, error_class="ValueError", message="no luck")
    body = caller.get(f"jobs/{job.id}/").json()
    assert (body["state"], body["result"], body["progress"]) == ("succeeded", {"n": 1}, [1, 2])
    assert [each["error_class"] for each in body["attempts"]] == ["ValueError"]
    assert "traceback" not in body["attempts"][0]


def test_an_unchanged_job_answers_304_in_three_queries(caller, account, django_assert_num_queries):
    """Account, grants, job; a change is told."""
    job = JobFactory(enqueued_by=account.origin)
    first = caller.get(f"jobs/{job.id}/")
    with django_assert_num_queries(3):
        again = caller.get(f"jobs/{job.id}/", if_none_match=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    Job.objects.filter(pk=job.pk).update(progress={"done": 1})
    changed = caller.get(f"jobs/{job.id}/", if_none_match=first["ETag"])
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_a_precondition_that_failed_is_a_problem(caller, account):
    """412."""
    job = JobFactory(enqueued_by=account.origin)
    assert caller.get(f"jobs/{job.id}/", if_match='"other"').status_code == 412


def test_the_list_has_the_accounts_own_jobs_newest_first_page_by_page(caller, account):
    """And nobody else's; no job twice, none left out, while others come in."""
    mine = [JobFactory(enqueued_by=account.origin) for _ in range(5)]
    for other in ("", "api:other", "cli"):
        JobFactory(enqueued_by=other)
    page = caller.get("jobs/", {"limit": 2}).json()
    seen = list(page["results"])
    JobFactory(enqueued_by=account.origin)
    while page["next"]:
        page = caller.get(page["next"].removeprefix("/api/v1/")).json()
        seen += page["results"]
    assert [each["id"] for each in seen] == [str(job.id) for job in reversed(mine)]


def test_the_list_is_filtered(caller, account):
    """By state, kind, queue and age; large parts stay out of it."""
    old = JobFactory(enqueued_by=account.origin, state="dead", queue="payments")
    Job.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=1))
    new = JobFactory(enqueued_by=account.origin, kind="test.noop")

    def ids(**query):
        return [each["id"] for each in caller.get("jobs/", query).json()["results"]]

    assert ids(state="dead") == ids(queue="payments") == ids(kind="test.note") == [str(old.id)]
    after = (timezone.now() - timedelta(hours=1)).isoformat()
    assert ids(created_after=after) == ids(kind="test.noop") == [str(new.id)]
    assert ids(created_after="0001-01-01T00:00:00+20:00") == [str(new.id), str(old.id)]
    assert ids(created_after="2000-01-01T00:31:25-23:18") == [str(new.id), str(old.id)]
    assert ids(state="dead", kind="test.noop") == []
    assert not {"args", "result"} & caller.get("jobs/").json()["results"][0].keys()


@pytest.mark.parametrize(
    "query",
    [
        *("state=dying", "cursor=1", "cursor=x", "limit=0", "limit=201", "limit=x", "limit="),
        *(
            "created_after=now",
            "kind=%00",
            "stat=dead",
            "state=dead&state=queued",
            "kind=",
            "format=json",
        ),
    ],
)
def test_a_query_that_says_nothing_is_refused(caller, query):
    """Rather than answered with everything."""
    assert caller.get(f"jobs/?{query}").status_code == 422


@pytest.mark.parametrize("offset", ["+23:59", "-23:59", "+16:00"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_moment_of_any_offset_is_a_moment(caller, offset, key):
    """PostgreSQL reads offsets below 16 hours only."""
    moment = f"2030-01-01T00:00:00{offset}"
    answer = caller.enqueue(key=key, run_at=moment, expires_at=f"2031{moment[4:]}")
    assert answer.status_code == 201
    assert Job.objects.get().run_at == datetime.fromisoformat(moment)


def test_the_list_reads_an_index_of_its_own(account):
    """In its order: cost grows neither with others' jobs nor with its own."""
    with connection.cursor() as cursor:
        # The table is all but empty here: leave the planner no scan that only suits such.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    plan = jobs_of(account).order_by("-id")[:50].explain()
    assert "Index Scan using celeriac_job_of_api" in plan
    assert "Sort" not in plan


def test_a_filter_that_finds_little_reads_no_whole_history(caller, account, monkeypatch):
    """A page looks at so many jobs, and the next goes on behind them: none is left out."""
    monkeypatch.setattr(selectors, "LOOKED", 100)
    JobFactory.create_batch(2, enqueued_by=account.origin, state="dead")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO celeriac_jobs_job (id, kind, queue, priority, args, run_at, enqueued_by) "
            "SELECT new_id(), 'test.noop', 'default', 0, '{}', now(), %s "
            "FROM generate_series(1, 950)",
            [account.origin],
        )
        cursor.execute("ANALYZE celeriac_jobs_job")
        for other in ("seqscan", "bitmapscan", "sort"):  # which a small table would do with
            cursor.execute(f"SET LOCAL enable_{other} = off")
    page, sizes = {"next": "jobs/?state=dead"}, []
    while page["next"]:
        with heard() as statements:
            page = caller.get(page["next"].removeprefix("/api/v1/")).json()
        sizes.append(len(page["results"]))
        for statement, parameters in statements:
            if "celeriac_jobs_job" in statement:
                scans = [n for n in explain(statement, parameters) if "Relation Name" in n]
                assert sum(rows_read(scan) for scan in scans) <= 100, statement
    assert sizes == [0] * 9 + [2]
    assert caller.get("jobs/", {"state": "queued", "limit": 10}).json()["next"]


def test_which_jobs_are_an_accounts_hangs_on_no_collation(account):
    """In en_US ";" comes before ":", so that nothing lies between "api:" and "api;"."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef('celeriac_job_of_api'::regclass)")
        index = cursor.fetchone()[0]
    for text in (index.partition(" WHERE ")[2], str(jobs_of(account).query).partition("WHERE")[2]):
        assert text
        assert not {"<", ">"} & set(text)


def test_a_job_is_cancelled_and_retried_by_audited_services(caller, account):
    """409 where the state forbids it."""
    job_id = caller.enqueue().json()["id"]
    done = caller.post(f"jobs/{job_id}/cancel/", {"reason": "not needed"})
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    again = caller.post(f"jobs/{job_id}/cancel/")
    assert (again.status_code, name_of(again)) == (409, "state-forbids")
    bare = caller.client.generic
    back = bare("POST", f"/api/v1/jobs/{job_id}/retry/", headers=caller.headers)
    assert (back.status_code, back.json()["state"]) == (200, "queued")
    refused = caller.post(f"jobs/{job_id}/retry/")
    assert (refused.status_code, name_of(refused)) == (409, "state-forbids")
    trail = Audit.objects.order_by("at").values_list("verb", "actor_name", "reason")
    assert list(trail) == [
        ("job.cancel", account.origin, "not needed"),
        ("job.retry", account.origin, ""),
    ]


def test_a_retry_whose_unique_key_is_queued_anew_is_refused(caller):
    """409, naming the other job."""
    first = caller.enqueue(unique_key="u").json()["id"]
    caller.post(f"jobs/{first}/cancel/")
    second = caller.enqueue(unique_key="u").json()["id"]
    answer = caller.post(f"jobs/{first}/retry/")
    assert (answer.status_code, name_of(answer)) == (409, "superseded")
    assert second in answer.json()["detail"]


def test_a_unique_key_that_waits_returns_its_job(caller):
    """200, not 201: nothing was made."""
    first, second = caller.enqueue(unique_key="u"), caller.enqueue(unique_key="u")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert "Idempotent-Replayed" not in second


def test_a_unique_key_that_waits_with_somebody_else_changes_nothing(caller, stranger):
    """409: its job is not shown, not hurried, and the idempotency key stays free."""
    later = timezone.now() + timedelta(hours=1)
    job = enqueue("test.noop", {}, unique_key="u", run_at=later)
    answer = caller.enqueue(unique_key="u", key="k")
    assert (answer.status_code, name_of(answer)) == (409, "unique-key-held")
    assert str(job.id) not in json.dumps(answer.json())
    job.refresh_from_db()
    assert job.run_at == later
    assert caller.enqueue(key="k").status_code == 201


def test_arguments_that_a_kind_hides_are_hidden(caller, account, monkeypatch):
    """Here too."""
    from dataclasses import replace

    from celeriac.jobs import registry

    kind = registry.find_kind("test.note")
    monkeypatch.setitem(registry._kinds, "test.note", replace(kind, redact=("name",)))
    body = caller.enqueue("test.note", {"name": "secret", "value": "v"}).json()
    assert body["args"] == {"name": "•••", "value": "v"}


def test_what_stands_around_is_shown_as_far_as_it_was_granted(caller):
    """Kinds with the schema of their arguments, queues, circuits, schedules."""
    kinds = {each["name"]: each for each in caller.get("kinds/").json()["results"]}
    assert kinds["test.note"]["args_schema"]["required"] == ["name"]
    assert "default" in {each["name"] for each in caller.get("queues/").json()["results"]}
    assert "payments" in {each["name"] for each in caller.get("breakers/").json()["results"]}
    assert caller.get("schedules/").json()["results"] == []
    few = Caller(make_account(kinds="test.*", queues="default", verbs=["enqueue"]))
    assert {name.partition(".")[0] for name in names(few, "kinds/")} == {"test"}
    assert names(few, "queues/") == ["default"]
    assert names(few, "breakers/") == []
    assert names(Caller(make_account(kinds="test.guarded")), "breakers/") == ["payments"]


def names(caller, path):
    """Return the names of a list."""
    return [each["name"] for each in caller.get(path).json()["results"]]


def test_a_schedule_is_shown_to_who_may_read_its_kind(caller):
    """With its next fire time."""
    PeriodicTaskFactory(task="test.noop")
    [shown] = caller.get("schedules/").json()["results"]
    assert shown["kind"] == "test.noop"
    assert Caller(make_account(kinds="other.*")).get("schedules/").json()["results"] == []


@pytest.mark.parametrize(
    "path",
    ["", "jobs", "jobs/0199aa00-0000-7000-8000-000000000000", "jobs/7/", "nowhere/", "jobs/bulk"],
)
def test_what_is_nowhere_is_a_problem(caller, path):
    """404, also where a slash is missing: a redirect would lose the body."""
    assert caller.get(path).status_code == 404
    assert caller.post(path).status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("path", ["jobs/", "kinds/", "token/"])
def test_another_method_is_a_problem(caller, method, path):
    """405, with what is meant."""
    answer = getattr(caller.client, method)(f"/api/v1/{path}", headers=caller.headers)
    assert caller.check(answer).status_code == 405
    assert answer["Allow"]


def test_only_json_is_taken_and_given(caller):
    """415 and 406."""
    assert caller.post("jobs/", b"kind=x", content_type="text/plain").status_code == 415
    assert caller.post("jobs/", b"<x/>", content_type="application/xml").status_code == 415
    form = "application/x-www-form-urlencoded"
    assert caller.post("jobs/", b"kind=x", content_type=form).status_code == 415
    assert caller.get("jobs/", accept="text/html").status_code == 406


def test_a_failure_says_no_more_than_that_it_failed(caller, monkeypatch, caplog):
    """500; the log has the rest."""

    def fail(*_, **__):
        raise RuntimeError("the inner workings")

    monkeypatch.setattr("celeriac.http.catalog.queue_depths", fail)
    answer = caller.get("queues/")
    assert answer.status_code == 500
    assert "inner workings" not in answer.content.decode()
    assert "the inner workings" in caplog.text
