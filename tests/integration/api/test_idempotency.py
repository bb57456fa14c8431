"""One key, one call; and many jobs in one."""

from uuid import UUID

import pytest

from celeriac.jobs.models import Job, JobKey
from tests.integration.api.conftest import name_of
from tests.support.threads import held_open

pytestmark = pytest.mark.django_db


def test_the_same_key_and_body_answer_with_the_same_job(caller):
    """200 and a header; spaces and the order of members are no difference."""
    first = caller.post("jobs/", b'{"kind":"test.noop","priority":1}', idempotency_key="k")
    again = caller.post("jobs/", b'{ "priority": 1, "kind": "test.noop" }', idempotency_key="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert first.json() == again.json()
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        *({"args": {"number": 1}}, {"priority": 5}, {"queue": "payments"}, {"kind": "test.fail"}),
        *({"unique_key": "u"}, {"run_at": "2030-01-01T00:00:00Z"}),
    ],
    ids=str,
)
def test_the_same_key_with_another_body_is_a_conflict(caller, other):
    """409, whatever differs."""
    caller.enqueue(key="k")
    answer = caller.post("jobs/", {"kind": "test.noop", "args": {}} | other, idempotency_key="k")
    assert (answer.status_code, name_of(answer)) == (409, "idempotency-conflict")
    assert Job.objects.count() == 1


def test_a_refused_call_leaves_its_key_free(caller):
    """Nothing was done under it."""
    assert caller.enqueue("test.note", key="k").status_code == 422
    assert caller.enqueue("test.note", {"name": "a"}, key="k").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_key_that_another_transaction_holds_too_long_is_busy(caller, account, settings):
    """409 with Retry-After, and then it works."""
    settings.CELERIAC = {**settings.CELERIAC, "LOCK_TIMEOUT_SECONDS": 0.05}

    def hold():
        JobKey.objects.create(scope=account.scope, key="k", hash="x", job_id=account.id)

    with held_open(hold):
        answer = caller.enqueue(key="k")
    assert (answer.status_code, name_of(answer)) == (409, "busy")
    assert int(answer["Retry-After"]) >= 1
    assert caller.enqueue(key="k").status_code == 201


def bulk(count, **changed):
    """Return a bulk body; `changed` maps an index to other arguments."""
    jobs = [{"kind": "test.noop", "args": {"number": n}} for n in range(count)]
    for index, args in changed.items():
        jobs[int(index.removeprefix("at_"))]["args"] = args
    return {"jobs": jobs}


def test_ten_thousand_jobs_go_in_one_transaction(caller, django_assert_max_num_queries):
    """201, in order, in a statement for a thousand."""
    with django_assert_max_num_queries(20):
        answer = caller.post("jobs/bulk/", bulk(10_000))
    assert answer.status_code == 201
    body = answer.json()
    assert body["count"] == len(body["jobs"]) == Job.objects.count() == 10_000
    numbers = dict(Job.objects.values_list("id", "args__number"))
    assert [numbers[UUID(each["id"])] for each in body["jobs"]] == [*range(10_000)]


def test_one_bad_item_rejects_all_and_is_named(caller):
    """At index 7,777."""
    answer = caller.post("jobs/bulk/", bulk(10_000, at_7777={"number": "x"}))
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["jobs.7777.args.number"]
    assert not Job.objects.exists()


def test_every_bad_item_is_named_up_to_a_hundred(caller):
    """Shape, kind, queue, arguments and grants alike."""
    body = bulk(4)
    body["jobs"][1]["kind"] = "test.nope"
    body["jobs"][2]["queue"] = "nope"
    body["jobs"][3]["args"] = {"x": 1}
    errors = caller.post("jobs/bulk/", body).json()["errors"]
    assert list(errors) == ["jobs.1.kind", "jobs.2", "jobs.3.args.x"]
    body["jobs"][0]["state"] = "dead"
    assert list(caller.post("jobs/bulk/", body).json()["errors"]) == ["jobs.0.state"]
    many = caller.post("jobs/bulk/", {"jobs": [{"kind": "test.note"}] * 500})
    assert len(many.json()["errors"]) == 100
    assert not Job.objects.exists()


@pytest.mark.parametrize("jobs", [[], None, {}, "x", [1], [None]])
def test_a_bulk_call_is_a_list_of_jobs(caller, jobs):
    """Of one at least."""
    assert caller.post("jobs/bulk/", {"jobs": jobs}).status_code == 422


def test_more_than_ten_thousand_are_refused(caller):
    """422."""
    assert caller.post("jobs/bulk/", bulk(10_001)).status_code == 422
    assert not Job.objects.exists()


def test_a_bulk_call_is_replayed_as_a_whole(caller):
    """The same jobs; another length, order or item is a conflict."""
    first, again = (caller.post("jobs/bulk/", bulk(5), idempotency_key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json(), again["Idempotent-Replayed"]) == (again.json(), "true")
    for other in (bulk(4), bulk(6), bulk(5, at_4={"number": 9})):
        assert caller.post("jobs/bulk/", other, idempotency_key="k").status_code == 409
    assert caller.enqueue(args={"number": 0}, key="k").status_code == 409
    assert Job.objects.count() == 5
