"""A Celery app moved by its imports alone: what works, what refuses, as the table of the docs.

docs/celery-imports.md has the table that this test makes: each row is run here.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from celeriac import InvalidOption, JobError
from celeriac.core import clock
from celeriac.jobs.dispatching.expire import expire_jobs
from celeriac.jobs.models import Job
from celeriac.testing import drain
from tests.app import moved

pytestmark = pytest.mark.django_db

GUIDE = Path(__file__).parents[3] / "docs" / "celery-imports.md"


@pytest.fixture(autouse=True)
def no_calls():
    """Forget what the sample's functions noted."""
    moved.calls.clear()


def ran(result):
    """Run what is due and return what became of a result: its state and its value."""
    drain()
    return result.state, result.result


def seconds_ahead(moment):
    """Return how many seconds away a moment is, rounded."""
    return round((moment - clock.db_now()).total_seconds(), -1)


def refusal(call):
    """Return the words of a refusal."""
    with pytest.raises(JobError) as caught:
        call()
    return str(caught.value)


#: The rows of the table: the code of each, and the function that runs it and returns the words.
ROWS = {}


def row(function):
    """Make a function a row of the table; its docstring is the code."""
    ROWS[function.__doc__.removesuffix(".")] = function
    return function


@row
def delay():
    """`add.delay(1, 2)`."""
    assert ran(moved.add.delay(1, 2)) == ("SUCCESS", 3)
    return "a row in your transaction; `AsyncResult` answers from it"


@row
def apply_async():
    """`add.apply_async((1,), {"y": 2}, queue="payments", priority=5)`."""
    moved.add.apply_async((1,), {"y": 2}, queue="payments", priority=5)
    job = Job.objects.get()
    assert (job.queue, job.priority) == ("payments", 5)
    return "the same; the queue must be one of CELERIAC['QUEUES'], a higher priority runs first"


@row
def countdown():
    """`countdown=60` · `eta=datetime(…)`."""
    moved.add.apply_async((1, 2), countdown=60)
    assert seconds_ahead(Job.objects.get().run_at) == 60
    Job.objects.all().delete()
    moved.add.apply_async((1, 2), eta=datetime(2040, 1, 1))
    assert Job.objects.get().run_at == datetime(2040, 1, 1, tzinfo=UTC)
    assert drain() == []
    return "waits in the database, for months if need be; a naive `eta` is UTC"


@row
def expires():
    """`expires=600`, on the call or the task."""
    moved.add.apply_async((1, 2), expires=600)
    moved.perishable.delay()
    for job in Job.objects.all():
        assert seconds_ahead(job.expires_at) == 600
    late = moved.perishable.delay()
    with clock.offset_clock(timedelta(seconds=601)):
        assert drain() == []
        expire_jobs()
    assert late.state == "REVOKED"
    return "not started once they are over, but ended `REVOKED`"


@row
def ignore_result():
    """`ignore_result=True` · `acks_late` · `track_started`."""
    assert ran(moved.log_visit.delay("/")) == ("SUCCESS", None)
    return "accepted: a job is never lost, and its state is always known"


@row
def bind():
    """`bind=True`: `self.name`, `self.request.id` …."""
    result = moved.whoami.delay("hello")
    state, value = ran(result)
    assert state == "SUCCESS"
    assert value == ["sample.whoami", result.id, 0, {"word": "hello"}, 3]
    return "`id`, `retries`, `kwargs`, `correlation_id`; another attribute names what there is"


@row
def self_retry():
    """`raise self.retry(exc=error, countdown=90)`."""
    result = moved.fetch.delay("example")
    state, error = ran(result)
    assert (state, str(error)) == ("RETRY", "ConnectionError: example")
    assert "ConnectionError" in result.traceback
    job = Job.objects.get()
    assert (seconds_ahead(job.run_at), job.failures, job.max_attempts) == (90, 1, 3)
    drain(with_scheduled=True)
    assert (result.state, result.get(timeout=1)) == ("SUCCESS", 1)
    assert moved.calls == [("example", 0), ("example", 1)]
    return "the run failed, the job comes back in exactly 90 s"


@row
def retries_run_out():
    """`self.retry()` with no retries left."""
    result = moved.give_up_nicely.delay()
    drain(with_scheduled=True)
    assert result.get(timeout=1) == "gave up after 1 retries"
    return "raises `exc`, or `MaxRetriesExceededError`"


@row
def autoretry():
    """`autoretry_for=(…)`, `retry_backoff=4`, `retry_jitter=False`."""
    result = moved.ping.delay("example")
    waits = []
    for _ in range(3):
        drain()
        job = Job.objects.get()
        waits.append((job.run_at - job.started_at).total_seconds())
        Job.objects.update(run_at=clock.db_now())
    assert [round(wait) for wait in waits] == [4, 8, 16]
    drain()
    assert (result.state, result.retries) == ("FAILURE", 4)
    return "Celery's own waits: 4, 8, 16 s"


@row
def no_autoretry():
    """An error nobody asked to retry."""
    result = moved.fail.delay()
    state, error = ran(result)
    assert (state, str(error)) == ("FAILURE", "ValueError: no luck")
    assert result.failed()
    assert result.ready()
    assert not result.successful()
    return "`FAILURE` at once, as in Celery (`@job` retries by its `Backoff`)"


@row
def soft_limit():
    """`soft_time_limit=…`, `except SoftTimeLimitExceeded`."""
    assert ran(moved.slow.delay()) == ("SUCCESS", "cleaned up")
    return "raised in the function; without `time_limit` a process has 10 minutes"


@row
def progress():
    """`self.update_state(meta={"current": 3, "total": 10})`."""
    result = moved.report.delay()
    assert ran(result) == ("SUCCESS", "done")
    assert Job.objects.get().progress == {"done": 3, "total": 10}
    return "the job's progress, also in the admin and the API"


@row
def ignore():
    """`raise Ignore`."""
    state, _ = ran(moved.ignored.delay())
    assert state == "REVOKED"
    return "ends `REVOKED`, that is cancelled"


@row
def revoke():
    """`AsyncResult(id).revoke()`."""
    result = moved.add.delay(1, 2)
    moved.AsyncResult(result.id).revoke()
    assert result.state == "REVOKED"
    assert drain() == []
    return "cancels the row, so no worker forgets it"


@row
def called():
    """`add(1, 2)`."""
    assert moved.add(1, 2) == 3
    assert not Job.objects.exists()
    return "calls the function"


@row
def chain():
    """`chain(add.s(1, 2), add.s(3))()`."""
    return refusal(moved.pipeline)


@row
def group():
    """`group(add.si(n, n) for n in …)()`."""
    return refusal(moved.fan_out)


@row
def chord():
    """`chord([…])(callback)`."""
    return refusal(moved.fan_in)


@row
def link():
    """`link=add.s(3)`."""
    return refusal(lambda: moved.add.apply_async((1, 2), link="add"))


@row
def task_id():
    """`task_id="mine"`."""
    return refusal(lambda: moved.add.apply_async((1, 2), task_id="mine"))


@row
def apply():
    """`add.apply((1, 2))`."""
    return refusal(lambda: moved.add.apply((1, 2)))


@row
def rate_limit():
    """`@shared_task(rate_limit="10/m")`."""
    return refusal(moved.limited)


@row
def terminate():
    """`AsyncResult(id).revoke(terminate=True)`."""
    result = moved.add.delay(1, 2)
    return refusal(lambda: result.revoke(terminate=True))


@row
def get_within():
    """`AsyncResult(id).get()` within a task."""
    state, error = ran(moved.wait_for_another.delay("0198c0de-0000-7000-8000-000000000000"))
    assert state == "FAILURE"
    return str(error).removeprefix("RuntimeError: ")


#: They return the words of an error.
REFUSES = {chain, group, chord, link, task_id, apply, rate_limit, terminate, get_within}


def documented():
    """Return the table in the guide: the verdict and the words, by the code of the row."""
    rows = re.findall(r"^\| (.+?) \| (works|refuses) \| (.+?) \|$", GUIDE.read_text(), re.M)
    return {code: (verdict, words) for code, verdict, words in rows}


@pytest.mark.parametrize("code", ROWS, ids=lambda code: ROWS[code].__name__)
def test_each_row_of_the_guides_table_is_true(code):
    """It does what the table says, in the words of the table."""
    verdict = "refuses" if ROWS[code] in REFUSES else "works"
    words = ROWS[code]()
    shown = f"| {code} | {verdict} | {words} |"
    assert documented().get(code) == (verdict, words), f"the table should say:\n{shown}"


def test_the_table_has_no_other_rows():
    """A row that nothing proves is a rumour."""
    assert set(documented()) == set(ROWS)


def test_only_the_imports_differ():
    """That is the whole migration."""
    before, after = moved.SOURCE.splitlines(), moved.MOVED.splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 3
    assert all(old.startswith("from celery") for old, _ in changed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": object}, "on_dead="),
        ({"typing": False}, "always checked"),
        ({"serializer": "pickle"}, "JSON"),
        ({"retry_kwargs": {"priority": 3}}, "priority means nothing"),
    ],
)
def test_what_the_decorator_can_not_honour_is_refused(options, message):
    """When the module is loaded."""
    with pytest.raises(InvalidOption, match=message):
        moved.shared_task(**options)(lambda: None)


def test_a_misspelt_option_says_what_was_meant():
    """Of Celery's or of the ledger's."""
    with pytest.raises(TypeError, match="Did you mean 'max_retries'"):
        moved.shared_task(max_retry=3)(lambda: None)
