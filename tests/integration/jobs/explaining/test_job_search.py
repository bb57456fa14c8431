"""Jobs are found by id, by a declared field, by keys and by words of an error, by an index."""

import json

import pytest
from django.db import connection
from django.urls import reverse

from celeriac import enqueue_many
from celeriac.console import job_search
from celeriac.core import context
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Job, SearchTerm
from celeriac.jobs.operating.prune import prune_jobs
from tests.factories import AttemptFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ship(declare):
    """Declare a kind that is found by its order."""

    def handler(order_id: str, parcels: list[int] | None = None) -> None:
        """Ship."""

    return declare(
        handler, "test.ship", search=("order_id", "parcels"), retry=Backoff(max_attempts=1)
    )


def found(term):
    """Return the ids that a term finds."""
    return {job.id for job in job_search.search_jobs(Job.objects.all(), term)}


def terms(job):
    """Return a job's terms."""
    return set(SearchTerm.objects.filter(job_id=job.id).values_list("field", "value"))


def test_a_job_is_found_by_its_declared_fields(ship):
    """By value, or by field and value; each member of a list is one."""
    job = enqueue("test.ship", {"order_id": "A-1", "parcels": [7, 8]})
    other = enqueue("test.ship", {"order_id": "A-2"})
    assert found("A-1") == {job.id}
    assert found("order_id=A-2") == {other.id}
    assert found("order_id = A-2") == {other.id}
    assert found("8") == {job.id}
    assert found("parcels=A-1") == set()
    assert found("A-3") == set()


def test_many_at_once_and_with_keys_are_found_too(ship):
    """Whichever statement wrote them."""
    jobs = enqueue_many("test.ship", [{"order_id": f"B-{n}"} for n in range(3)])
    assert found("B-1") == {jobs[1].id}
    keyed = enqueue("test.ship", {"order_id": "C-1"}, idempotency_key="once")
    assert enqueue("test.ship", {"order_id": "C-1"}, idempotency_key="once").id == keyed.id
    assert SearchTerm.objects.filter(value="C-1").count() == 1


def test_a_job_that_takes_another_in_keeps_its_terms_unless_its_arguments_change(ship):
    """What it is found by is what it will run with."""
    job = enqueue("test.ship", {"order_id": "D-1"}, unique_key="d")
    assert enqueue("test.ship", {"order_id": "D-2"}, unique_key="d").id == job.id
    assert terms(job) == {("order_id", "D-1")}
    enqueue("test.ship", {"order_id": "D-3"}, unique_key="d", replace=True)
    assert terms(job) == {("order_id", "D-3")}


def test_other_kinds_leave_no_terms():
    """They pay nothing for what they do not use."""
    with context.bind(correlation_id="req-1"):
        enqueue("test.note", {"name": "a"})
    enqueue_many("test.note", [{"name": "a"}])
    assert not SearchTerm.objects.exists()


def test_a_request_is_found_with_all_it_enqueued(ship):
    """By its correlation id, for good where the kind is searched, and lately for all."""
    with context.bind(correlation_id="req-7"):
        searched = enqueue("test.ship", {"order_id": "E-1"})
        plain = enqueue("test.note", {"name": "a"})
    assert found("req-7") == {searched.id, plain.id}
    assert found("correlation_id=req-7") == {searched.id}


def test_a_long_value_is_found_by_its_whole(ship):
    """Indexes take no novels."""
    job = enqueue("test.ship", {"order_id": "x" * 5000})
    assert found("x" * 5000) == {job.id}
    assert found("x" * 4999) == set()


def test_a_job_is_found_by_words_of_an_error():
    """The class, a part of its path, words of the message, the last of them begun only."""
    dead = JobFactory(kind="test.fail", state="dead", error="ValueError: no such parcel")
    AttemptFactory(job=dead, error_class="shop.errors.ParcelLost", message="no such parcel: 17b")
    AttemptFactory(job=JobFactory(), error_class="OSError", message="disk full")
    for term in ("ParcelLost", "shop.errors.ParcelLost", "such parcel", "no parc", "17b"):
        assert found(term) == {dead.id}, term
    for term in ("parcelling", "; DROP TABLE celeriac_jobs_job", "&|!():*", "\x00", "''"):
        assert dead.id not in found(term) or not term.strip("\x00")


def test_the_page_finds_a_job_and_says_what_can_be_searched(ship, staff):
    """Through the search field."""
    job = enqueue("test.ship", {"order_id": "F-1"})
    enqueue("test.ship", {"order_id": "F-2"})
    answer = staff.get(reverse("admin:celeriac_jobs_job_changelist"), {"q": "F-1"})
    assert [row.id for row in answer.context["cl"].queryset] == [job.id]
    assert "order_id" in answer.content.decode()


def test_terms_go_with_their_job(ship, settings):
    """Pruned together."""
    job = enqueue("test.ship", {"order_id": "G-1"})
    old = "2020-01-01T00:00Z"
    Job.objects.filter(pk=job.pk).update(state="succeeded", finished_at=old, created_at=old)
    assert prune_jobs().jobs == 1
    assert not SearchTerm.objects.exists()


FILL = """
INSERT INTO celeriac_jobs_job (id, kind, queue, args, state, run_at, started_at, finished_at,
    attempt,
                      correlation_id, unique_key, lock_key)
SELECT new_id(-n * interval '1 second'), 'test.ship', 'default', '{}', 'dead', now(), now(), now(),
       1, 'r' || n, 'u' || n, 'l' || n
FROM generate_series(1, 50000) n
"""
FAIL = """
INSERT INTO celeriac_jobs_attempt (job_id, number, outcome, started_at, finished_at, error_class,
    message)
SELECT id, 1, 'dead', now(), now(), 'Error' || (n % 500), 'number ' || n
FROM (SELECT id, row_number() OVER () AS n FROM celeriac_jobs_job) j
"""
NAME = """
INSERT INTO celeriac_jobs_searchterm (job_id, field, value)
SELECT id, 'order_id', 'H-' || row_number() OVER () FROM celeriac_jobs_job
"""


def plan_of(queryset):
    """Return the nodes of a query's plan, each with its relation."""
    text, parameters = queryset.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {text}", parameters)
        value = cursor.fetchone()[0]
    return list(nodes((json.loads(value) if isinstance(value, str) else value)[0]["Plan"]))


def nodes(plan):
    """Yield a plan's nodes."""
    yield f"{plan['Node Type']} {plan.get('Relation Name', '')} {plan.get('Index Name', '')}"
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def test_every_way_of_finding_goes_by_an_index(ship):
    """With a history behind them; no plan reads a table from its beginning."""
    with connection.cursor() as cursor:
        for statement in (
            FILL,
            FAIL,
            NAME,
            "ANALYZE celeriac_jobs_job, celeriac_jobs_attempt, celeriac_jobs_searchterm",
        ):
            cursor.execute(statement)
        by_key = {"kinds": ["test.ship"], "term": "u77", "latest": job_search.LATEST}
        cursor.execute(f"EXPLAIN {job_search.BY_KEY}", by_key)
        keys = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in keys
    for term in ("H-77", "order_id=H-77", "Error77", str(JobFactory().id), "r77"):
        page = job_search.search_jobs(Job.objects.order_by("-id"), term)[:51]
        assert [node for node in plan_of(page) if node.startswith("Seq Scan")] == [], term
    assert any(
        "attempt_error" in node for node in plan_of(job_search.search_jobs(Job.objects, "Error77"))
    )
