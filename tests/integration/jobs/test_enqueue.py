"""Writing jobs: one INSERT in the caller's transaction."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from celeriac import (
    IdempotencyConflict,
    InvalidArgs,
    InvalidOption,
    UnknownKind,
    UnknownQueue,
    enqueue_many,
)
from celeriac.core import clock, context
from celeriac.jobs import nudge
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.enqueueing.enqueue import enqueue_drafts, enqueue_job as enqueue, prepare_many
from celeriac.jobs.jsonable import stored
from celeriac.jobs.models import Job
from celeriac.jobs.running import execute
from tests.kinds import noop

pytestmark = pytest.mark.django_db


def greet(name: str, times: int = 1):
    """Greet."""


@pytest.fixture(autouse=True)
def kind(declare):
    """Declare a kind with options of its own."""
    return declare(
        greet,
        "test.greet",
        queue="payments",
        priority=7,
        retry=Backoff(max_attempts=9),
        aliases=("test.hello",),
    )


@pytest.fixture
def nudges(monkeypatch):
    """Collect what the dispatcher would be told."""
    told = []
    monkeypatch.setattr(nudge, "nudge_after_commit", lambda **news: told.append(news))
    return told


def assert_reads_back(job):
    """Compare a returned job with its row, field for field."""
    row = Job.objects.get(id=job.id)
    for field in Job._meta.concrete_fields:
        assert getattr(job, field.attname) == getattr(row, field.attname), field.attname


def test_a_job_reads_back_as_it_was_returned():
    """The returned job is the row, though no second query was made."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        job = enqueue("test.greet", {"name": "Ada"}, delay=60, lock_key="l", tenant="acme")
    assert len(queries) == 1
    assert_reads_back(job)


def test_a_keyed_job_reads_back_as_it_was_returned():
    """The set-based statement builds the same."""
    assert_reads_back(enqueue("test.greet", {"name": "Ada"}, unique_key="u", idempotency_key="i"))


def test_the_kind_says_what_the_call_does_not():
    """Queue, priority and attempts come from the kind."""
    job = enqueue("test.greet", {"name": "Ada"})
    assert (job.queue, job.priority, job.max_attempts) == ("payments", 7, 9)
    assert (job.state, job.attempt, job.failures, job.losses) == ("queued", 0, 0, 0)
    assert job.args == {"name": "Ada"}


def test_the_call_overrides_the_kind():
    """Queue and priority of the call win."""
    job = enqueue("test.greet", {"name": "Ada"}, queue="default", priority=-100)
    assert (job.queue, job.priority) == ("default", -100)


def test_an_alias_is_written_as_the_kind_it_means():
    """The row bears the canonical name."""
    assert enqueue("test.hello", {"name": "Ada"}).kind == "test.greet"


def test_the_database_clock_decides_when():
    """A shifted clock shifts run_at and created_at alike; a delay counts from it."""
    with clock.offset_clock(timedelta(days=3)):
        job = enqueue("test.greet", {"name": "Ada"}, delay=timedelta(hours=1))
        assert abs(job.created_at - clock.db_now()) < timedelta(minutes=1)
    assert job.run_at - job.created_at == timedelta(hours=1)


def test_a_moment_of_a_zone_far_off_is_taken():
    """Python knows zones of up to a day, PostgreSQL of sixteen hours."""
    job = enqueue("test.noop", {}, run_at=datetime.fromisoformat("2030-01-02T00:00:00+23:00"))
    assert Job.objects.get(pk=job.id).run_at == datetime(2030, 1, 1, 1, tzinfo=UTC)


def test_expiry_is_a_moment_or_a_time_from_now():
    """A timedelta counts from the database's clock."""
    job = enqueue("test.greet", {"name": "Ada"}, expires_at=timedelta(minutes=5))
    assert job.expires_at - job.created_at == timedelta(minutes=5)
    moment = datetime(2099, 1, 1, tzinfo=UTC)
    assert enqueue("test.greet", {"name": "Ada"}, expires_at=moment).expires_at == moment


def test_the_correlation_id_is_the_callers_or_the_jobs_own():
    """What follows from a request carries its id; a root job begins a new one."""
    with context.bind(correlation_id="request-1"):
        assert enqueue("test.greet", {"name": "Ada"}).correlation_id == "request-1"
    job = enqueue("test.greet", {"name": "Ada"})
    assert job.correlation_id == str(job.id)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "payment"}, "Did you mean 'payments'"),
        ({"queue": "zzz"}, "QUEUES.* has .*default"),
        ({"priority": 101}, "outside -100 to 100"),
        ({"priority": True}, "whole number"),
        ({"run_at": datetime(2030, 1, 1)}, "naive"),
        ({"run_at": "tomorrow"}, "is a datetime"),
        ({"run_at": datetime.fromisoformat("0001-01-01T00:00:00+23:00")}, "years 1 to 9999"),
        ({"expires_at": datetime.fromisoformat("9999-12-31T23:00:00-23:00")}, "years 1 to 9999"),
        ({"run_at": datetime(2030, 1, 1, tzinfo=UTC), "delay": 1}, "not both"),
        ({"delay": -1}, "outside 0"),
        ({"delay": float("nan")}, "number of seconds"),
        ({"expires_at": datetime(2030, 1, 1)}, "naive"),
        (
            {
                "run_at": datetime(2030, 1, 2, tzinfo=UTC),
                "expires_at": datetime(2030, 1, 1, tzinfo=UTC),
            },
            "could never start",
        ),
        ({"delay": 60, "expires_at": timedelta(seconds=60)}, "could never start"),
        ({"unique_key": "x" * 501}, "SHA-256"),
        ({"unique_key": ""}, "is empty"),
        ({"unique_key": "a\x00b"}, "NUL"),
        ({"lock_key": "\ud800"}, "surrogate"),
        ({"tenant": 5}, "is text"),
        ({"idempotency_key": "x" * 256}, "255"),
        ({"callback_url": "ftp://example.com/"}, "http"),
        ({"callback_url": "https://"}, "host"),
        ({"dealy": 60}, "Did you mean 'delay'"),
        ({"countdown": 60}, "say delay="),
        ({"zzz": 1}, "no option 'zzz'"),
    ],
)
def test_an_option_that_does_not_fit_names_the_remedy(options, words):
    """Nothing is written, and the error says what to do."""
    with pytest.raises((InvalidOption, UnknownQueue), match=words):
        enqueue("test.greet", {"name": "Ada"}, **options)
    assert not Job.objects.exists()


def test_a_kind_is_named_by_text():
    """The task itself is a likely slip."""
    with pytest.raises(UnknownKind, match=r"named by text.*<@task: test.noop"):
        enqueue(noop, {})


def test_an_unknown_kind_says_what_was_meant():
    """A slip of the pen is named."""
    with pytest.raises(UnknownKind, match=r"Did you mean 'test\.greet'"):
        enqueue("test.great", {"name": "Ada"})


def test_arguments_too_large_name_size_limit_and_remedy(settings):
    """The size is that of the stored text in bytes."""
    settings.CELERIAC = {**settings.CELERIAC, "MAX_ARGS_BYTES": 1000}
    enqueue("test.greet", {"name": "x" * 980})
    with pytest.raises(InvalidArgs, match=r"1,009 bytes, 1,000 are allowed.*pass its id"):
        enqueue("test.greet", {"name": "é" * 499})


def test_a_job_that_is_not_due_is_nudged_for_once(nudges):
    """The news name queue, priority and time."""
    job = enqueue("test.greet", {"name": "Ada"}, delay=60)
    assert nudges == [{"queue": "payments", "priority": 7, "run_at": job.run_at}]


def test_a_due_job_is_offered_to_who_waits(nudges, monkeypatch):
    """The news name the job; a dispatcher hears of it where nobody waits."""
    handed = []
    monkeypatch.setattr(nudge, "hand_over_after_commit", handed.append)
    job = enqueue("test.greet", {"name": "Ada"})
    assert [(each.id, each.queue, each.priority) for each in handed] == [(job.id, "payments", 7)]
    assert nudges == []


def test_many_jobs_are_written_in_order_and_nudged_for_once(nudges):
    """Thousands of jobs, three statements, the callers' order."""
    with CaptureQueriesContext(connection) as queries:
        jobs = enqueue_many("test.greet", [{"name": str(n)} for n in range(2500)], delay=5)
    inserts = [query for query in queries if "INSERT" in query["sql"]]
    assert len(inserts) == 3
    rows = Job.objects.in_bulk([job.id for job in jobs])
    assert [rows[job.id].args["name"] for job in jobs] == [str(n) for n in range(2500)]
    assert len(rows) == Job.objects.count() == 2500
    assert len(nudges) == 1


def test_many_jobs_name_each_bad_item():
    """Every item is checked before anything is written."""
    with pytest.raises(InvalidArgs) as caught:
        enqueue_many("test.greet", [{"name": "a"}, {}, {"name": "b", "tmies": 3}])
    assert set(caught.value.errors) == {"1.name", "2.tmies"}
    assert "did you mean 'times'" in caught.value.errors["2.tmies"]
    assert not Job.objects.exists()


def test_many_jobs_take_a_key_each():
    """One key for all is refused, as is a list of another length."""
    args = [{"name": "a"}, {"name": "b"}]
    first = enqueue_many("test.greet", args, idempotency_keys=["k1", None])
    again = enqueue_many("test.greet", args, idempotency_keys=["k1", None])
    assert again[0].id == first[0].id
    assert again[0].replayed
    assert again[1].id != first[1].id
    with pytest.raises(InvalidOption, match="one for each"):
        enqueue_many("test.greet", args, idempotency_key="k")
    with pytest.raises(InvalidOption, match="each of the 2"):
        enqueue_many("test.greet", args, idempotency_keys=["k"])


def test_many_jobs_are_all_or_none():
    """A conflict in the last undoes the first, and leaves the transaction usable."""
    enqueue("test.greet", {"name": "z"}, idempotency_key="k")
    args = [{"name": "a"}, {"name": "b"}]
    with pytest.raises(IdempotencyConflict):
        enqueue_many("test.greet", args, idempotency_keys=[None, "k"])
    assert Job.objects.count() == 1


def test_drafts_of_different_kinds_are_written_together(declare):
    """Mixed batches, as the bulk API writes them."""
    declare(lambda number: None, "test.other")
    drafts = prepare_many(
        [("test.greet", {"name": "a"}, {}), ("test.other", {"number": 1}, {"priority": 3})]
    )
    jobs = enqueue_drafts(drafts)
    assert [(job.kind, job.priority) for job in jobs] == [("test.greet", 7), ("test.other", 3)]
    assert enqueue_drafts([]) == []


def test_a_rolled_back_savepoint_takes_its_job_along():
    """The job belongs to the innermost transaction."""
    with transaction.atomic():
        kept = enqueue("test.greet", {"name": "kept"})
        savepoint = transaction.savepoint()
        enqueue("test.greet", {"name": "lost"})
        transaction.savepoint_rollback(savepoint)
    assert list(Job.objects.values_list("id", flat=True)) == [kept.id]


@pytest.mark.parametrize(
    "text", ["[1e16, 1.5e16, 1e-7, 5.0, 0.5, 1e300, -2e20]", '{"b": "1e5", "a": [1e5, {"x": 1}]}']
)
def test_the_database_gives_json_back_as_we_expect(text):
    """Numbers lose their exponent, and with it what told a float from an integer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [text])
        (back,) = cursor.fetchone()
    assert repr(json.loads(back)) == repr(json.loads(stored(text))) or "{" in text
    assert json.loads(back) == json.loads(stored(text))


def test_a_moment_comes_back_in_its_zone(declare):
    """Through the ledger, with its name."""
    seen = []

    def remind(at: datetime):
        """Keep what came."""
        seen.append(at)

    declare(remind, "test.remind")
    at = datetime(2030, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    job = enqueue("test.remind", {"at": at})
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(uuid4(), execute.capabilities())
    )
    assert (seen, seen[0].tzinfo.key, seen[0].fold) == ([at], "Europe/Berlin", 1)
