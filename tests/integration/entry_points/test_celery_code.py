"""`@job` in the place of Celery's decorators: self, results, result rows, options."""

import asyncio
from datetime import UTC, datetime, timedelta

import celery.exceptions
import pytest
from celery.result import AsyncResult as CelerysAsyncResult
from django.db import DatabaseError
from django_celery_results.models import TaskResult

from celeriac import (
    Backoff,
    InvalidArgs,
    InvalidOption,
    JobCancelled,
    JobFailed,
    JobNotFound,
    Retry,
    Snooze,
    UnknownQueue,
    current_job,
    enqueue,
    job,
)
from celeriac.celery import Reject, result_rows, shared_task
from celeriac.celery.results import AsyncResult
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.dispatching import expire
from celeriac.jobs.models import Job
from celeriac.testing import drain, perform_job
from config import plain
from config.celery import app
from tests.app.models import Effect

pytestmark = pytest.mark.django_db

SOON = Backoff(max_attempts=3, base=0.1, cap=0.1, floor=0.05)


@pytest.fixture
def kind():
    """Return a function that declares a kind for this test only."""
    made = []

    def declare(function, name="test.door", decorator=job, **options):
        task = (
            decorator(name, **options)(function)
            if decorator is job
            else (decorator(name=name, **options)(function))
        )
        made.append(name)
        return task

    yield declare
    for name in made:
        registry.forget_kind(name)
        app.tasks.pop(name, None)
        plain.app.tasks.pop(name, None)


# -- self ----------------------------------------------------------------------------------


def test_self_knows_the_run(kind):
    """And is no argument of the caller's."""

    def ask(self, word, times=2):
        request = self.request
        return [self.name, request.id, request.task, request.retries, request.kwargs, request.args]

    task = kind(ask, bind=True, retry=SOON)
    result = task.delay("hello")
    drain()
    assert result.get(timeout=1) == [
        *("test.door", result.id, "test.door", 0, {"word": "hello"}, [])
    ]
    with pytest.raises(InvalidArgs, match="self"):
        enqueue("test.door", {"word": "hello", "self": 1})


def test_self_retry_without_a_time_follows_the_backoff(kind):
    """Up to max_attempts, with the cause's name."""

    def ask(self):
        try:
            raise ValueError(f"run {self.request.retries}")
        except ValueError as error:
            raise self.retry(exc=error) from error

    result = kind(ask, bind=True, retry=SOON).delay()
    drain(with_scheduled=True)
    row = Job.objects.get()
    assert (row.state, row.failures, row.error) == ("dead", 3, "ValueError: run 2")
    assert [each.error_class for each in row.attempts.all()] == ["ValueError"] * 3
    assert "ValueError: run 2" in result.traceback


def test_self_retry_at_a_moment(kind):
    """`eta` is kept to."""

    def ask(self):
        self.retry(eta=clock.db_now() + timedelta(hours=1))

    kind(ask, bind=True, retry=SOON).delay()
    drain()
    ahead = Job.objects.get().run_at - clock.db_now()
    assert timedelta(minutes=59) < ahead <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"args": [1]}, "enqueue another one"),
        ({"kwargs": {}}, "enqueue another one"),
        ({"throw": False}, "put it last"),
        ({"max_retries": 9}, "declare the task with max_retries=9"),
        ({"queue": "payments"}, "keeps its options"),
    ],
)
def test_self_retry_refuses_what_it_can_not_do(kind, options, remedy):
    """Where the code stands, not in silence."""

    def ask(self):
        self.retry(**options)

    kind(ask, bind=True, retry=Backoff(max_attempts=1))
    with pytest.raises(InvalidOption, match=remedy):
        perform_job("test.door")


def test_self_without_a_job_is_a_direct_call(kind):
    """As in Celery: retry() raises the error itself."""

    def ask(self, fails=False):
        if fails:
            self.retry(exc=ValueError("no luck"))
        self.update_state(meta={"current": 1, "total": 2})
        return [self.request.called_directly, self.request.id]

    task = kind(ask, bind=True)
    assert task() == [True, None]
    with pytest.raises(ValueError, match="no luck"):
        task(fails=True)


def test_what_self_lacks_is_an_error_that_says_what_there_is(kind):
    """Both on self and on its request."""

    def ask(self, name):
        return getattr(self if name == "backend" else self.request, name)

    kind(ask, bind=True, retry=Backoff(max_attempts=1))
    with pytest.raises(AttributeError, match="it has name, request, retry"):
        perform_job("test.door", name="backend")
    with pytest.raises(AttributeError, match=r"self\.request\.hostname is Celery's own"):
        perform_job("test.door", name="hostname")
    with pytest.raises(InvalidOption, match="can only report progress"):
        perform_job(_state(kind))


def _state(kind):
    def ask(self):
        self.update_state(state="HALFWAY")

    return kind(ask, name="test.state", bind=True, retry=Backoff(max_attempts=1)).name


def test_bind_needs_a_parameter(kind):
    """Said when the module is loaded."""
    with pytest.raises(TypeError, match="needs a first parameter"):
        kind(lambda: None, bind=True)


# -- @job ----------------------------------------------------------------------------------


def test_a_bare_job_is_called_after_its_function():
    """As Celery names tasks."""

    @job
    def bare(number: int) -> int:
        """Return a number."""
        return number

    try:
        assert bare.name == f"{__name__}.bare"
        assert bare.__doc__ == "Return a number."
        result = bare.delay(3)
        drain()
        assert result.get(timeout=1) == 3
    finally:
        registry.forget_kind(bare.name)


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_function_can_be_a_job(kind):
    """On an event loop of its own."""

    async def visit(name):
        await asyncio.sleep(0)
        await Effect.objects.acreate(name=name)
        return str(current_job().id)

    result = kind(visit).delay("Ada")
    drain()
    assert result.get(timeout=1) == result.id
    assert Effect.objects.get().name == "Ada"


def test_retry_counts_as_a_failure_and_waits_as_long_as_it_says(kind):
    """Whatever the Backoff retries on, but up to its max_attempts."""

    def ask():
        raise Retry(90, KeyError("gone"))

    kind(ask, retry=Backoff(max_attempts=2, cap=1, retry_on=(ValueError,)))
    with pytest.raises(Retry):
        perform_job("test.door")
    row = Job.objects.get()
    assert (row.state, row.failures, row.error) == ("queued", 1, "KeyError: 'gone'")
    ahead = (row.run_at - clock.db_now()).total_seconds()
    assert 80 < ahead <= 90
    drain(with_scheduled=True)
    row.refresh_from_db()
    assert (row.state, row.failures) == ("dead", 2)


def test_a_reject_ends_dead(kind):
    """And can't go back to a queue."""

    def ask(requeue):
        raise Reject("not for us", requeue=requeue)

    result = kind(ask, decorator=shared_task).delay(requeue=False)
    drain()
    assert result.failed()
    assert "not for us" in str(result.result)
    with pytest.raises(InvalidOption, match="Snooze"):
        Reject(requeue=True)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("current_app", "celery.py"), ("current_task", "current_job"), ("nothing", "name")],
)
def test_what_celery_has_and_the_ledger_has_not_can_not_be_imported(name, remedy):
    """And the error says what to use."""
    with pytest.raises(ImportError, match=remedy):
        exec(f"from celeriac.celery import {name}")  # noqa: S102 the import is what is tested


# -- apply_async ---------------------------------------------------------------------------


def test_apply_async_takes_the_ledgers_own_keys(kind):
    """idempotency_key, unique_key, lock_key, tenant, callback_url."""
    task = kind(lambda number=0: None)
    first = task.apply_async(idempotency_key="once", lock_key="lock", tenant="acme")
    assert task.apply_async(idempotency_key="once", lock_key="lock", tenant="acme") == first
    row = Job.objects.get()
    assert (row.lock_key, row.tenant) == ("lock", "acme")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"serializer": "pickle"}, "arguments are JSON"),
        ({"routing_key": "x"}, "pass queue="),
        ({"shadow": "x"}, "declare a kind"),
        ({"countdwon": 3}, "did you mean 'countdown'"),
        ({"xyzzy": 3}, "leave it out"),
    ],
)
def test_apply_async_refuses_what_it_can_not_honour(kind, options, remedy):
    """With the remedy."""
    with pytest.raises(InvalidOption, match=remedy):
        kind(lambda: None).apply_async(**options)
    assert not Job.objects.exists()


def test_apply_async_accepts_what_says_nothing(kind):
    """Empty links, JSON, retries of the publishing, results to be ignored or not."""
    kind(lambda: None).apply_async(
        link=[], link_error=None, serializer="json", retry=True, ignore_result=False
    )
    assert Job.objects.exists()
    with pytest.raises(UnknownQueue, match="Did you mean 'payments'"):
        app.tasks["test.door"].apply_async(queue="payment")


# -- AsyncResult ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "state", "ready"),
    [
        ({}, "PENDING", False),
        ({"failures": 1, "attempt": 1}, "RETRY", False),
        (
            {"state": "running", "claim_id": "0198c0de-0000-7000-8000-000000000000"},
            "STARTED",
            False,
        ),
        ({"state": "succeeded", "finished_at": clock.Now()}, "SUCCESS", True),
        ({"state": "dead", "finished_at": clock.Now()}, "FAILURE", True),
        ({"state": "cancelled", "finished_at": clock.Now()}, "REVOKED", True),
    ],
)
def test_each_state_of_a_job_has_celerys_word(make_job, fields, state, ready):
    """And the questions that go with it."""
    row = make_job("test.noop")
    Job.objects.filter(pk=row.pk).update(**fields)
    result = AsyncResult(row.id)
    assert (result.state, result.status, result.ready()) == (state, state, ready)
    assert result.successful() is (state == "SUCCESS")
    assert result.failed() is (state == "FAILURE")
    assert (result.date_done is not None) is ready
    assert (result.name, result.queue, result.kwargs, result.args) == (
        *("test.noop", "default", {}),
        [],
    )


def test_get_waits_raises_and_returns_as_celerys_does(make_job):
    """Its timeout is Celery's and Python's; failures are raised or returned."""
    row = make_job("test.noop")
    result = AsyncResult(str(row.id))
    for error in (celery.exceptions.TimeoutError, TimeoutError, result.TimeoutError):
        with pytest.raises(error, match="still queued"):
            result.get(timeout=0.01)
    Job.objects.update(state="dead", error="ValueError: no luck", finished_at=clock.Now())
    with pytest.raises(JobFailed, match="no luck"):
        result.get()
    assert isinstance(result.get(propagate=False), JobFailed)
    assert isinstance(result.result, JobFailed)
    Job.objects.update(state="cancelled", error="cancelled: enough")
    assert isinstance(result.result, JobCancelled)
    with pytest.raises(InvalidOption, match="on_message"):
        result.get(on_message=print)


def test_a_result_is_its_id(make_job):
    """Text, comparable, a key of a dictionary."""
    row = make_job("test.noop")
    result = AsyncResult(row.id)
    assert (str(result), result.task_id) == (str(row.id), str(row.id))
    assert {result: 1}[AsyncResult(str(row.id))] == 1
    assert result != row
    assert str(row.id) in repr(result)


def test_an_id_that_is_no_jobs_is_never_pending():
    """Celery's is, for ever."""
    with pytest.raises(JobNotFound, match="pruned, or never committed"):
        _ = AsyncResult("0198c0de-0000-7000-8000-000000000000").state
    with pytest.raises(JobNotFound, match="is no job's id"):
        AsyncResult("mine").ready()


def test_revoking_what_has_ended_is_no_error(make_job):
    """Celery does not mind either; forgetting is refused."""
    row = make_job("test.noop")
    result = AsyncResult(row.id)
    result.revoke()
    result.revoke()
    assert result.state == "REVOKED"
    with pytest.raises(InvalidOption, match="retention="):
        result.forget()


# -- celery_result=True --------------------------------------------------------------------


def test_a_success_leaves_a_row_that_celerys_readers_understand(kind):
    """By the id that delay() returned."""

    def add(x: int, y: int) -> int:
        return x + y

    sent = kind(add, celery_result=True).delay(1, y=2)
    drain()
    row = TaskResult.objects.get()
    assert (row.task_id, row.status, row.task_name) == (sent.id, "SUCCESS", "test.door")
    assert "'y': 2" in row.task_kwargs
    theirs = CelerysAsyncResult(sent.id, app=app)
    assert (theirs.state, theirs.get(timeout=1)) == ("SUCCESS", 3)


def test_a_retry_and_a_failure_are_rows_with_their_error(kind):
    """The same row, written over."""

    def fail():
        raise ValueError("no luck")

    sent = kind(fail, celery_result=True, retry=Backoff(max_attempts=2, base=0)).delay()
    drain()
    assert TaskResult.objects.get().status in ("RETRY", "FAILURE")
    drain(with_scheduled=True)
    row = TaskResult.objects.get()
    assert row.status == "FAILURE"
    assert "ValueError: no luck" in row.traceback
    theirs = CelerysAsyncResult(sent.id, app=app)
    with pytest.raises(ValueError, match="no luck"):
        theirs.get(timeout=1)


@pytest.mark.parametrize("fails", [False, True])
def test_a_row_hides_what_the_kind_hides(kind, fails):
    """In the arguments, in the result and in errors."""

    def pay(card, amount, fails):
        if fails:
            raise ValueError(f"the card {card['number']} was declined")
        return {"amount": amount, "receipt": f"paid with {card['number']}"}

    task = kind(pay, celery_result=True, redact=("card.number",), retry=Backoff(max_attempts=1))
    task.delay({"number": "4242424242424242"}, 5, fails)
    drain()
    row = TaskResult.objects.get()
    assert row.status == ("FAILURE" if fails else "SUCCESS")
    assert "'amount': 5" in row.task_kwargs
    for shown in (row.task_kwargs, row.result, row.traceback or ""):
        assert "4242424242424242" not in shown


def test_a_snooze_leaves_no_row(kind):
    """Celery has no word for it."""

    def sleepy():
        raise Snooze(60)

    kind(sleepy, celery_result=True).delay()
    drain()
    assert not TaskResult.objects.exists()


def test_a_row_that_can_not_be_written_fails_no_job(kind, monkeypatch):
    """The ledger is the truth."""

    def broken(*args, **kwargs):
        raise DatabaseError("no such table")

    sent = kind(lambda: 3, celery_result=True).delay()
    monkeypatch.setattr(result_rows.current_app.backend, "store_result", broken)
    drain()
    assert sent.get(timeout=1) == 3


def test_other_kinds_leave_no_row(kind):
    """Only those that ask for one."""
    kind(lambda: 3).delay()
    drain()
    assert Job.objects.get().state == "succeeded"
    assert not TaskResult.objects.exists()


def nothing():
    """Do nothing."""


# -- Celery's words -------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"countdown": -0.5}, {"countdown": 0}])
def test_a_countdown_that_has_just_passed_means_now(kind, options):
    """A clock or a slow caller took the rest of it."""
    task = kind(nothing, retry=SOON)
    job = Job.objects.get(pk=task.apply_async(**options).id)
    assert job.run_at <= clock.db_now()


@pytest.mark.parametrize(
    "options",
    [
        {"expires": -1},
        {"expires": 0, "countdown": 0},
        {"expires": -1, "countdown": 60},
        {"expires": datetime(2020, 1, 1, tzinfo=UTC), "eta": datetime(2099, 1, 1, tzinfo=UTC)},
        {"expires": "2020-01-01T00:00:00+00:00"},
    ],
)
def test_an_expiry_that_has_just_passed_means_now(kind, options):
    """The job never starts, as in Celery, and its row says why."""
    task = kind(nothing, retry=SOON)
    result = task.apply_async(**options)
    drain()
    expire.expire_jobs()
    job = Job.objects.get(pk=result.id)
    assert (job.state, job.attempt) == ("cancelled", 0)


@pytest.mark.parametrize("sender", [app, plain.app])
def test_a_kind_that_is_sent_by_name_is_a_row(kind, sender):
    """By each app of ours; once a task id."""

    def greet(name, times=1):
        return name * times

    kind(greet)
    first = sender.send_task("test.door", ["x"], {"times": 2}, task_id="abc", priority=7)
    again = sender.send_task("test.door", args=["x"], kwargs={"times": 2}, task_id="abc")
    assert first.id == again.id
    job = Job.objects.get(pk=first.id)
    assert (job.args, job.priority) == ({"name": "x", "times": 2}, 7)
    with pytest.raises(InvalidArgs, match="nmae"):
        sender.send_task("test.door", kwargs={"nmae": 1})
    with pytest.raises(InvalidOption, match="link"):
        sender.send_task("test.door", ["x"], link=[sender.signature("other")])


@pytest.mark.parametrize("word", ["countdown", "expires"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "soon", b"5"])
def test_what_is_no_time_to_wait_is_refused_by_name(kind, word, value):
    """Not read as now."""
    task = kind(nothing)
    with pytest.raises(InvalidOption, match=word):
        task.apply_async(**{word: value})


def test_arguments_of_a_wrong_shape_are_refused(kind):
    """A text is no list of its letters."""
    with pytest.raises(InvalidArgs, match="args is a list"):
        app.send_task(kind(lambda a, b: a).name, "ab")
