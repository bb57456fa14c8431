"""Each row of the table in docs/from-celery.md, run on a project's own app."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from inspect import getsource
from pathlib import Path
from types import SimpleNamespace

import celery
import pytest
from celery import beat, signals
from celery.exceptions import SoftTimeLimitExceeded
from celery.result import AsyncResult, EagerResult
from django.db import transaction

from celeriac.celery.adopted.checks import check_adopted
from celeriac.jobs.errors import JobError
from celeriac.jobs.models import Job
from celeriac.testing import drain

pytestmark = pytest.mark.django_db

GUIDE = Path(__file__).parents[3] / "docs" / "from-celery.md"
ROWS = {}


def row(function):
    """Make a function a row of the table; its docstring is the code, and it returns the words."""
    ROWS[function.__doc__.removesuffix(".")] = function
    return function


@pytest.fixture
def at(acme):
    """Return the app, what its tasks noted, and a task that notes its arguments."""
    noted = []

    @acme.task(name="acme.add")
    def add(x, y=1):
        noted.append((x, y))
        return x + y

    return SimpleNamespace(app=acme, noted=noted, add=add, task=task_maker(acme))


def task_maker(app):
    """Return what makes a task of a function, named after it."""

    def make(function, **options):
        return app.task(name=f"acme.{function.__name__}", **options)(function)

    return make


def ran(result):
    """Run what is due, and return the state and the value that Celery's result has."""
    drain(with_scheduled=True)
    return result.state, result.result


@row
def delay(at):
    """`@shared_task`, `@app.task`; `add.delay(1, 2)`."""
    assert ran(at.add.delay(1, 2)) == ("SUCCESS", 3)
    return "a row in your transaction; any `AsyncResult` answers from it"


@row
def on_commit(at):
    """`transaction.on_commit(lambda: add.delay(1))`."""
    with transaction.atomic():
        transaction.on_commit(lambda: at.add.delay(1))
    return "works, and can still be lost between commit and call: `delay()` alone can't"


@row
def delay_on_commit(at):
    """`add.delay_on_commit(1)`."""
    at.add.delay_on_commit(1)
    assert Job.objects.count() == 1
    return "the row is written at once, and exists if the transaction commits"


@row
def times(at):
    """`apply_async(countdown=, eta=, expires=)`."""
    at.add.apply_async((1,), eta=datetime(2040, 1, 1), expires=datetime(2041, 1, 1))
    job = Job.objects.get()
    assert (job.run_at, job.expires_at.year) == (datetime(2040, 1, 1, tzinfo=UTC), 2041)
    return "waits in the database; a naive `eta` is UTC; what expires never starts"


@row
def routed(at):
    """`apply_async(queue=)`, `task_routes`, `task_default_queue`."""
    at.add.apply_async((1,), queue="payments")
    at.add.delay(2)
    assert sorted(Job.objects.values_list("queue", flat=True)) == ["default", "payments"]
    return "Celery's own router decides"


@row
def priority(at):
    """`apply_async(priority=3)`."""
    at.add.apply_async((1,), priority=3)
    assert Job.objects.get().priority == -3
    return "means what it means to your broker: to Redis 0 is first, to RabbitMQ last"


@row
def headers(at):
    """`apply_async(headers={"trace": "x"})`."""

    @at.task
    def traced():
        return celery.current_task.request.headers

    assert ran(traced.apply_async(headers={"trace": "x"})) == ("SUCCESS", {"trace": "x"})
    return "kept, and given back in `request.headers`"


@row
def brokers(at):
    """`apply_async(MessageGroupId=, compression=, retry=)`."""
    assert ran(at.add.apply_async((1,), MessageGroupId="7", retry=False))[0] == "SUCCESS"
    return "has no use without a message: ignored, with one warning for what nobody knows"


@row
def task_id(at):
    """`apply_async(task_id="mine")`."""
    at.add.apply_async((1,), task_id="mine")
    assert ran(AsyncResult("mine", app=at.app)) == ("SUCCESS", 2)
    assert at.add.apply_async((1,), task_id="mine").state == "SUCCESS"
    return "is the job's id; the same again gives that job"


@row
def limits(at):
    """`apply_async(time_limit=, soft_time_limit=, ignore_result=, shadow=)`."""
    at.add.apply_async((1,), time_limit=9, soft_time_limit=8, shadow="nice")
    assert Job.objects.get().headers == {"shadow": "nice", "timelimit": [9, 8]}
    return "this call's own"


@row
def bound(at):
    """`bind=True`: `self.request.id`, `.retries`, `.args`, `.kwargs` …."""

    @at.task
    def tell(*args, **kwargs):
        request = tell.request
        return [request.id, request.retries, list(request.args), request.kwargs]

    result = tell.delay(1, x=2)
    assert ran(result)[1] == [result.id, 0, [1], {"x": 2}]
    return "all that a message would say"


@row
def current(at):
    """`current_task`."""

    @at.task
    def who():
        return celery.current_task.name

    assert ran(who.delay())[1] == "acme.who"
    return "the task of the job that runs"


@row
def retried(at):
    """`raise self.retry(exc=error, countdown=60)`, also with `args=`, `kwargs=`, `max_retries=`."""

    def again(self, number):
        if self.request.retries < 2:
            raise self.retry(args=[number + 1], countdown=60, max_retries=5)
        return number

    assert ran(at.task(again, bind=True).delay(1)) == ("SUCCESS", 3)
    return "the job comes back then, with those arguments"


@row
def autoretried(at):
    """`autoretry_for=`, `retry_backoff=`, `max_retries=`."""
    tries = []

    def flaky():
        tries.append(1)
        raise ValueError("no")

    task = at.task(flaky, autoretry_for=(ValueError,), max_retries=2, retry_backoff=True)
    assert ran(task.delay())[0] == "FAILURE"
    assert len(tries) == 3
    return "Celery's own waits, as often"


@row
def failed(at):
    """An error nobody asked to retry; `throws=`."""

    def broken():
        raise KeyError("why")

    state, error = ran(at.task(broken, throws=(KeyError,)).delay())
    assert (state, repr(error)) == ("FAILURE", "KeyError('why')")
    return "`FAILURE` at once; `get()` raises it by its own class where that can be imported"


@row
def progress(at):
    """`self.update_state(state="PROGRESS", meta={…})`."""

    def slow(self):
        self.update_state(state="PROGRESS", meta={"value": 10})
        return AsyncResult(self.request.id, app=at.app).info

    assert ran(at.task(slow, bind=True).delay()) == ("SUCCESS", {"value": 10})
    return "any state, for who asks; never fails a job"


@row
def soft(at):
    """`except SoftTimeLimitExceeded`."""

    def slow():
        try:
            while True:
                pass
        except SoftTimeLimitExceeded:
            return "cleaned up"

    assert ran(at.task(slow, soft_time_limit=0.2).delay()) == ("SUCCESS", "cleaned up")
    return "caught as Celery's"


@row
def based(at):
    """`base=`, `Celery(task_cls=)`, `__call__`, `on_success` and the other hooks."""

    class Base(celery.Task):
        """Of the project."""

        def __call__(self, *args, **kwargs):
            return super().__call__(*args, "called", **kwargs)

        def on_success(self, retval, task_id, args, kwargs):
            at.noted.append(retval)

    def based(*args):
        return list(args)

    assert ran(at.task(based, base=Base).delay(1)) == ("SUCCESS", [1, "called"])
    assert at.noted == [[1, "called"]]
    return "the ledger's class goes under yours"


@row
def signalled(at):
    """`task_prerun`, `task_success` and the other signals."""
    heard = []

    def listen(sender, result, **_):
        heard.append((sender.name, result))

    signals.task_success.connect(listen)
    try:
        ran(at.add.delay(1, 2))
    finally:
        signals.task_success.disconnect(listen)
    assert heard == [("acme.add", 3)]
    return "once a run, with the job's own arguments and result; doorbells have none"


@row
def signatures(at):
    """`add.s(1)`, `add.si(1)`, `signature("acme.add")` as plain calls."""
    at.add.s(1).apply_async()
    at.app.signature("acme.add", args=(2,)).delay()
    drain()
    assert at.noted == [(1, 1), (2, 1)]
    return "rows, like any call"


@row
def periodic(at):
    """`add_periodic_task(10, add.s(1))`, `beat_schedule`, any beat."""
    at.app.add_periodic_task(10, at.add.s(1), name="tick")
    scheduler = beat.Scheduler(app=at.app, lazy=True)
    scheduler.apply_async(
        scheduler.Entry(**at.app.conf.beat_schedule["tick"], name="tick", app=at.app)
    )
    # Beats before Celery 5.7 say nothing of who they are.
    says = "celery_beat_task" in getsource(beat)
    assert Job.objects.get().enqueued_by == ("beat" if says else "")
    return "fires: the tick is a row"


@row
def sent(at):
    """`app.send_task("acme.add", [1])`."""
    assert ran(at.app.send_task("acme.add", [1])) == ("SUCCESS", 2)
    return "from your app a row; from elsewhere turned into one by the worker that receives it"


@row
def eager(at):
    """`task_always_eager`, `add.apply((1,))`, `add(1)`."""
    at.app.conf.task_always_eager = True
    assert isinstance(at.add.delay(1), EagerResult)
    assert at.add.apply((1,)).get() == at.add(1) == 2
    assert not Job.objects.exists()
    return "Celery's own: nothing is written"


@row
def any_signature(at):
    """`*args`, `**kwargs`, `typing=False`, annotations of any sort."""

    def loose(number: "Ghost", *args, **kwargs):  # noqa: F821 nobody imports it
        return [number, *args, kwargs]

    assert ran(at.task(loose).delay("seven", 1, x=2))[1] == ["seven", 1, {"x": 2}]
    return "the signature is checked as in Celery, annotations are not"


@row
def typed(at):
    """`UUID`, `datetime`, `Decimal`, `bytes`, lazy text as arguments."""
    ran(at.add.delay(Decimal("1.10"), Decimal(2)))
    assert at.noted == [(Decimal("1.10"), Decimal(2))]
    return "come back as such, as kombu's JSON has them"


@row
def large(at):
    """Arguments of megabytes."""
    at.add.delay("x" * 1_000_000, "y")
    drain()
    assert at.noted == [("x" * 1_000_000, "y")]
    return "stand in a table beside the job, up to `MAX_LARGE_ARGS_BYTES`"


@row
def accepted(at):
    """`acks_late`, `reject_on_worker_lost`, `ignore_result`, `trail`, `compression`."""
    task = at.task(_nothing, acks_late=True, reject_on_worker_lost=True, trail=False)
    assert ran(task.delay())[0] == "SUCCESS"
    return "mean what they mean in Celery"


@row
def revoked(at):
    """`AsyncResult(id).revoke()`, `app.control.revoke(id)`."""
    at.add.delay(1).revoke()
    assert Job.objects.get().state == "cancelled"
    return "cancels the row, though no worker may listen"


@row
def terminated(at):
    """`AsyncResult(id).revoke(terminate=True)`."""
    return at.add.delay(1).revoke(terminate=True)


@row
def linked(at):
    """`add.apply_async(link=…, link_error=…)`."""
    at.add.apply_async((1,), link=at.add.s(2))
    drain()
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
    return "rows that wait for the job's end; each runs once"


@row
def canvas(at):
    """`chain(…)`, `group(…)`, `chord(…)` of adopted tasks."""
    handle = celery.chain(at.add.s(1), at.add.s(2)).apply_async()
    assert sorted(Job.objects.values_list("state", flat=True)) == ["queued", "waiting"]
    drain()
    assert AsyncResult(handle.id, app=at.app).get() == 4
    return "a flow, written whole in the caller's transaction; a mixed one is refused by name"


@row
def pickled(at):
    """`serializer="pickle"`."""
    return at.add.apply_async((1,), serializer="pickle")


@row
def no_json(at):
    """Arguments that JSON can't carry."""
    return at.add.delay(Decimal)


@row
def rate_limited(at):
    """`@app.task(rate_limit="10/m")`."""
    at.task(_nothing, rate_limit="10/m")
    at.app.finalize()
    [found] = [each for each in check_adopted() if each.id == "celeriac_jobs.W019"]
    raise JobError(f"{found.id}: {found.msg}")


#: They raise the words of a refusal.
REFUSES = {terminated, pickled, no_json, rate_limited}


def _nothing():
    """Do nothing."""


def documented():
    """Return the table in the guide: the verdict and the words, by the code of the row."""
    rows = re.findall(r"^\| (.+?) \| (works|refuses) \| (.+?) \|$", GUIDE.read_text(), re.M)
    return {code: (verdict, words) for code, verdict, words in rows}


@pytest.mark.parametrize("code", ROWS, ids=lambda code: ROWS[code].__name__)
def test_each_row_of_the_adoption_table_is_true(code, at):
    """It does what the table says, in the words of the table."""
    function = ROWS[code]
    if function in REFUSES:
        with pytest.raises(JobError) as caught:
            function(at)
        verdict, words = "refuses", str(caught.value)
    else:
        verdict, words = "works", function(at)
    shown = f"| {code} | {verdict} | {words} |"
    assert documented().get(code) == (verdict, words), f"the table should say:\n{shown}"


def test_the_adoption_table_has_no_other_rows():
    """A row that nothing proves is a rumour."""
    assert set(documented()) == set(ROWS)
