"""Runs of a project's own tasks: Celery's request, hooks, signals and retries, once per job."""

import logging
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import celery
import pytest
from celery import current_task, signals, states
from celery.app import trace
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.result import AsyncResult
from django.db import connection, transaction

from celeriac.celery import revoking
from celeriac.celery.publisher import CeleryPublisher
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.enqueue import enqueue_job
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.losses import Loss
from celeriac.jobs.models import Attempt, Job, LargeCall
from celeriac.testing import drain

pytestmark = pytest.mark.django_db


class Flaky(Exception):
    """An error of this module's own, with two arguments."""

    def __init__(self, code, text):
        super().__init__(code, text)
        self.code, self.text = code, text


@contextmanager
def heard(*named):
    """Collect what signals say: their name, sender and facts."""
    told = []
    receivers = []
    for name in named:

        def hear(sender=None, *, _name=name, **facts):
            told.append((_name, getattr(sender, "name", sender), facts))

        receivers.append((name, hear))
        getattr(signals, name).connect(hear, weak=False)
    try:
        yield told
    finally:
        for name, hear in receivers:
            getattr(signals, name).disconnect(hear)


def result_of(acme, handle):
    """Return a result by its id alone, as another process asks for it."""
    return AsyncResult(handle.id, app=acme)


def test_other_arguments_that_are_large_are_written_by_the_settle_alone(acme, settings):
    """A run that has lost its job changes nothing of what the next one finds."""
    settings.CELERIAC = {**settings.CELERIAC, "MAX_ARGS_BYTES": 1000}
    seen = []

    @acme.task(name="acme.grows", bind=True, max_retries=3)
    def grows(self, text, stale=False):
        seen.append(len(text))
        if stale:
            Job.objects.filter(state="running").update(claim_id=uuid.uuid4())
        if len(text) < 5000:
            self.retry(args=("y" * 5000,), kwargs={}, countdown=0)
        return len(text)

    call = grows.delay("x" * 2000)
    drain()
    assert (seen, call.get()) == ([2000, 5000], 5000)
    lost = grows.delay("x" * 2000, stale=True)
    drain()
    assert "x" * 2000 in LargeCall.objects.get(pk=lost.id).text


def test_a_request_says_all_that_a_message_would(acme):
    """Its ids, arguments, headers, queue, priority, limits and times."""
    seen = {}

    @acme.task(name="acme.asks", bind=True, time_limit=60)
    def asks(self, *args, **kwargs):
        request = self.request
        assert current_task.request.id == request.id
        for name in (
            *("id", "task", "args", "kwargs", "headers", "delivery_info", "retries", "root_id"),
            *("parent_id", "group", "is_eager", "called_directly", "timelimit", "correlation_id"),
            *("eta", "expires", "hostname", "origin", "reply_to", "chord", "chain", "shadow"),
        ):
            seen[name] = getattr(request, name)
        seen["custom"] = request.trace_token

    eta = datetime(2020, 1, 1, tzinfo=UTC)
    call = asks.apply_async(
        (1, 2),
        {"k": 3},
        headers={"trace_token": "x"},
        priority=3,
        root_id="r",
        soft_time_limit=9,
        eta=eta,
    )
    [run] = drain()
    assert run.state == "succeeded", run.error
    assert (seen["id"], seen["task"], seen["correlation_id"]) == (call.id, "acme.asks", call.id)
    assert (seen["args"], seen["kwargs"]) == ([1, 2], {"k": 3})
    assert (seen["headers"], seen["custom"]) == ({"trace_token": "x"}, "x")
    info = seen["delivery_info"]
    assert (info["routing_key"], info["exchange"], info["priority"]) == ("default", "", 3)
    assert (seen["retries"], seen["root_id"], seen["parent_id"]) == (0, "r", None)
    assert (seen["is_eager"], seen["called_directly"]) == (False, False)
    assert seen["timelimit"] == [60, 9]
    assert seen["hostname"]
    assert seen["eta"] is None  # it had passed
    assert seen["expires"] is None


def test_the_times_of_a_request_are_those_of_its_row(acme):
    """When it was to start, and until when; so a task sees how late it is."""
    seen = []

    @acme.task(name="acme.later", bind=True)
    def later(self):
        seen.append((self.request.eta, self.request.expires))

    later.apply_async(countdown=30, expires=90)
    row = Job.objects.get()
    with clock.offset_clock(timedelta(seconds=60)):
        drain()
    assert seen == [(row.run_at.isoformat(), row.expires_at.isoformat())]


@pytest.fixture
def hooked(acme):
    """Return a task whose class has hooks, and what they note."""
    order = []

    class Own(celery.Task):
        def __call__(self, *args, **kwargs):
            order.append(("call", args))
            return self.run(*args, **kwargs)

        def before_start(self, task_id, args, kwargs):
            order.append(("before_start", task_id, list(args), kwargs))

        def on_success(self, retval, task_id, args, kwargs):
            order.append(("on_success", retval))

        def on_failure(self, exc, task_id, args, kwargs, einfo):
            order.append(("on_failure", str(exc), task_id))

        def after_return(self, status, retval, task_id, args, kwargs, einfo):
            order.append(("after_return", status))

    @acme.task(name="acme.hooked", base=Own)
    def hooked(x, y=0):
        if y:
            raise ValueError("y")
        return x

    return hooked, order


def test_hooks_come_once_in_celerys_order(hooked):
    """Its own `__call__` among them."""
    task, order = hooked
    good, bad = task.delay(1), task.delay(1, y=2)
    drain()
    assert order == [
        ("before_start", good.id, [1], {}),
        ("call", (1,)),
        ("on_success", 1),
        ("after_return", "SUCCESS"),
        ("before_start", bad.id, [1], {"y": 2}),
        ("call", (1,)),
        ("on_failure", "y", bad.id),
        ("after_return", "FAILURE"),
    ]


def test_signals_come_once_with_the_jobs_own_facts(hooked):
    """Its sender, arguments, result and error."""
    task, _ = hooked
    names = ("task_prerun", "task_success", "task_failure", "task_postrun", "task_retry")
    with heard(*names) as told:
        good, _ = task.delay(1), task.delay(1, y=2)
        drain()
    assert [(name, sender) for name, sender, _ in told] == [
        (name, "acme.hooked")
        for name in (
            *("task_prerun", "task_success", "task_postrun"),
            *("task_prerun", "task_failure", "task_postrun"),
        )
    ]
    prerun, success, postrun, *_ = (facts for _, _, facts in told)
    assert (prerun["task_id"], prerun["args"], prerun["kwargs"]) == (good.id, [1], {})
    assert (success["result"], postrun["retval"], postrun["state"]) == (1, 1, "SUCCESS")
    assert told[4][2]["exception"].args == ("y",)


def test_an_error_has_its_own_class_and_arguments_for_who_waits(acme):
    """Also by the id alone; its traceback is the run's."""

    @acme.task(name="acme.fails")
    def fails():
        raise Flaky(7, "boom")

    call = fails.delay()
    drain()
    result = result_of(acme, call)
    with pytest.raises(Flaky) as error:
        result.get()
    assert (error.value.code, error.value.text) == (7, "boom")
    assert (result.state, result.failed(), result.ready()) == ("FAILURE", True, True)
    assert "raise Flaky(7" in result.traceback
    job = Job.objects.get()
    assert (job.state, job.failures, job.error.startswith(f"{__name__}.Flaky")) == ("dead", 1, True)
    assert result.get(propagate=False).code == 7


def test_a_retry_may_bring_other_arguments_queue_and_priority(acme):
    """They are written by the settle that ends the run: the next one finds them."""
    seen = []

    @acme.task(name="acme.again", bind=True, max_retries=1)
    def again(self, x, y=0):
        seen.append((x, y, self.request.retries, self.request.delivery_info["routing_key"]))
        raise (
            self.retry(
                args=(x + 1,),
                kwargs={"y": 5},
                countdown=0,
                max_retries=4,
                queue="payments",
                priority=7,
                exc=Flaky(1, "x"),
            )
            if x < 3
            else Flaky(2, "end")
        )

    call = again.delay(1)
    drain()
    assert seen == [(1, 0, 0, "default"), (2, 5, 1, "payments"), (3, 5, 2, "payments")]
    job = Job.objects.get()
    assert (job.queue, job.priority, job.failures, job.state) == ("payments", -7, 3, "dead")
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["failed", "failed", "dead"]
    with pytest.raises(Flaky, match="end"):
        result_of(acme, call).get()


def test_retries_that_are_used_up_raise_as_in_celery(acme):
    """MaxRetriesExceededError, or the error that was given; unbound and by autoretry, too."""

    @acme.task(name="acme.unbound", max_retries=1)
    def unbound(kind):
        raise unbound.retry(countdown=0, exc=Flaky(1, "own") if kind == "own" else None)

    @acme.task(
        name="acme.auto",
        autoretry_for=(Flaky,),
        retry_kwargs={"max_retries": 2},
        default_retry_delay=0,
    )
    def auto():
        seen.append(auto.request.retries)
        raise Flaky(3, "auto")

    seen = []
    none, own, by_itself = unbound.delay("none"), unbound.delay("own"), auto.delay()
    with heard("task_retry", "task_failure") as told:
        drain()
    with pytest.raises(celery.exceptions.MaxRetriesExceededError):
        result_of(acme, none).get()
    with pytest.raises(Flaky, match="own"):
        result_of(acme, own).get()
    with pytest.raises(Flaky, match="auto"):
        result_of(acme, by_itself).get()
    assert seen == [0, 1, 2]
    assert [name for name, *_ in told].count("task_retry") == 4
    assert [name for name, *_ in told].count("task_failure") == 3


def test_a_retry_waits_as_long_as_it_says(acme):
    """And its state is RETRY meanwhile, with the error that led to it."""

    @acme.task(name="acme.waits", bind=True)
    def waits(self):
        raise self.retry(countdown=300, exc=Flaky(9, "later"))

    call = waits.delay()
    drain()
    job = Job.objects.get()
    assert (job.state, job.failures) == ("queued", 1)
    assert 295 < (job.run_at - job.created_at).total_seconds() < 330
    result = result_of(acme, call)
    assert (result.state, result.info.code) == ("RETRY", 9)


def test_a_retry_that_does_not_raise_lets_the_run_end_as_it_does(acme):
    """It succeeds, to its hooks and signals, and its job runs again all the same."""
    seen = []

    @acme.task(name="acme.quiet", bind=True)
    def quiet(self):
        seen.append(self.request.retries)
        if not self.request.retries:
            self.retry(countdown=0, throw=False)
        return "done"

    call = quiet.delay()
    with heard("task_success", "task_retry") as told:
        drain()
    assert seen == [0, 1]
    assert [name for name, *_ in told] == ["task_success", "task_success"]
    assert result_of(acme, call).get() == "done"


def test_a_retry_whose_arguments_are_no_json_ends_the_job(acme):
    """As in Celery, where the message can't be sent: the task is rejected."""

    @acme.task(name="acme.odd", bind=True)
    def odd(self, x=None):
        raise self.retry(args=(object(),), countdown=0)

    odd.delay()
    drain()
    assert Job.objects.get().state == "dead"


def test_ignore_and_reject_end_a_job_by_their_names(acme):
    """An ignored one shows the state that its task has told."""

    @acme.task(name="acme.ignores", bind=True)
    def ignores(self):
        self.update_state(state="FAILURE", meta={"why": "mine"})
        raise Ignore

    @acme.task(name="acme.rejects")
    def rejects():
        raise Reject("no good", requeue=False)

    @acme.task(name="acme.rejects_early")
    def early():
        raise Reject("no good", requeue=True)

    @acme.task(name="acme.rejects_late", acks_late=True)
    def late():
        raise Reject("later", requeue=True)

    ignored = ignores.delay()
    rejects.delay(), early.delay(), late.delay()
    drain()
    assert dict(Job.objects.values_list("kind", "state")) == {
        "acme.ignores": "cancelled",
        "acme.rejects": "dead",
        "acme.rejects_early": "dead",  # its message is acknowledged: nothing comes again
        "acme.rejects_late": "queued",
    }
    assert result_of(acme, ignored).state == "FAILURE"


def test_any_state_may_be_told_and_fails_no_job(acme):
    """It is read by an AsyncResult, and void once the run has ended; a broken transaction too."""
    seen = []

    @acme.task(name="acme.tells", bind=True)
    def tells(self):
        self.update_state(state="HALF WAY", meta={"current": 3, "total": 6, "at": Decimal("1.5")})
        result = result_of(acme, self.request)
        seen.append((result.state, result.info))
        seen.append(Job.objects.get().progress["done"])
        self.update_state(state="ODD", meta=object())
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "end"

    call = tells.delay()
    assert drain()[0].state == "succeeded"
    assert seen == [("HALF WAY", {"current": 3, "total": 6, "at": Decimal("1.5")}), 3]
    assert (result_of(acme, call).state, result_of(acme, call).result) == ("SUCCESS", "end")


def test_the_soft_limit_is_celerys_exception(acme):
    """A task may catch it and go on; the limit of the call comes before the task's."""

    @acme.task(name="acme.slow", soft_time_limit=30)
    def slow(catch):
        try:
            while True:
                sum(range(1000))
        except SoftTimeLimitExceeded:
            if not catch:
                raise
            return "cleaned up"

    caught = slow.apply_async((True,), soft_time_limit=0.1)
    raised = slow.apply_async((False,), soft_time_limit=0.1)
    drain()
    assert result_of(acme, caught).get() == "cleaned up"
    with pytest.raises(SoftTimeLimitExceeded):
        result_of(acme, raised).get()
    assert "celery.exceptions.SoftTimeLimitExceeded" in Job.objects.get(pk=raised.id).error


def test_results_keep_the_types_of_kombus_json(acme):
    """Where JSON has none, the task fails, as in Celery."""
    value = {"id": uuid.uuid4(), "at": datetime.now(UTC), "sum": Decimal("2.50"), "n": [1, None]}

    @acme.task(name="acme.typed")
    def typed():
        return value

    @acme.task(name="acme.untyped")
    def untyped():
        return object()

    @acme.task(name="acme.unkept", ignore_result=True)
    def unkept():
        return 5

    calls = typed.delay(), untyped.delay(), unkept.delay()
    drain()
    assert result_of(acme, calls[0]).get() == value
    assert result_of(acme, calls[1]).state == "FAILURE"
    assert (result_of(acme, calls[2]).state, result_of(acme, calls[2]).result) == ("SUCCESS", None)
    assert calls[2].get() is None  # of a result that is ignored, at once


def test_what_a_task_calls_is_its_children(acme):
    """They know their parent and their root."""
    seen = []

    @acme.task(name="acme.child", bind=True)
    def child(self):
        seen.append((self.request.parent_id, self.request.root_id))

    @acme.task(name="acme.parent")
    def parent():
        child.delay()

    call = parent.delay()
    drain()
    assert seen == [(call.id, call.id)]
    [found] = result_of(acme, call).children
    assert found.id == str(Job.objects.get(kind="acme.child").id)


def test_the_ledgers_own_words_work_in_an_adopted_task(acme):
    """And no hook speaks of a failure that is none."""
    from celeriac import GiveUp, Snooze

    @acme.task(name="acme.snoozes")
    def snoozes(give_up):
        if give_up:
            raise GiveUp("never")
        raise Snooze(60, "not yet")

    snoozes.delay(False), snoozes.delay(True)
    with heard("task_failure") as told:
        drain()
    assert not told
    assert sorted(Job.objects.values_list("state", "failures")) == [("dead", 1), ("queued", 0)]


def test_a_job_of_another_id_is_asked_and_run_by_it(acme):
    """The caller's own text is the task's id to everybody."""
    seen = []

    @acme.task(name="acme.named", bind=True)
    def named(self):
        seen.append(self.request.id)
        self.update_state(state="X")
        return self.request.id

    named.apply_async(task_id="order-7")
    drain()
    assert seen == ["order-7"]
    assert AsyncResult("order-7", app=acme).get() == "order-7"


def test_celery_logs_each_run_as_ever(acme, caplog):
    """With the job's own name, id and result."""

    @acme.task(name="acme.logged")
    def logged():
        return 5

    with caplog.at_level(logging.INFO, logger="celery.app.trace"):
        call = logged.delay()
        drain()
    assert f"Task acme.logged[{call.id}] succeeded in" in caplog.text


def test_nothing_is_known_of_a_job_that_its_transaction_waits_for(acme):
    """`get()` says that it can never end, instead of waiting for ever."""

    @acme.task(name="acme.waited")
    def waited():
        return 1

    call = waited.delay()
    with pytest.raises(RuntimeError, match="enqueued in this transaction"):
        result_of(acme, call).get(timeout=5)
    with transaction.atomic():
        inner = waited.delay()
    enqueue_job("test.noop", {})  # another id of this transaction, in between
    with pytest.raises(RuntimeError, match="enqueued in this transaction"):
        result_of(acme, inner).get(timeout=5)


def test_states_of_an_id_that_nobody_knows_are_the_hosts_backends(acme):
    """PENDING, as in Celery."""
    result = AsyncResult(str(uuid.uuid4()), app=acme)
    assert (result.state, result.result, result.ready()) == (states.PENDING, None, False)


def test_a_call_is_published_where_its_row_is_written(acme):
    """Receivers see the job's id and arguments, and what they add to the headers goes with it."""
    seen = []

    @acme.task(name="acme.published", bind=True)
    def published(self, x):
        seen.append((self.request.token, self.request.headers))

    def add(headers, **_):
        headers["token"] = "t"
        headers["odd"] = object()

    signals.before_task_publish.connect(add)
    try:
        with heard("before_task_publish", "after_task_publish") as told:
            calls = published.delay(1), published.apply_async((2,), task_id="mine")
    finally:
        signals.before_task_publish.disconnect(add)
    drain()
    assert seen == [("t", {"token": "t"})] * 2
    assert [(name, sender) for name, sender, _ in told] == [
        ("before_task_publish", "acme.published"),
        ("after_task_publish", "acme.published"),
    ] * 2
    assert [facts["headers"]["id"] for *_, facts in told[::2]] == [call.id for call in calls]
    assert [facts["body"][0] for *_, facts in told[::2]] == [[1], [2]]
    assert told[0][2]["routing_key"] == "default"


def test_a_doorbell_has_no_signals_of_its_own(acme):
    """Neither where it is sent, nor where it is received and answered."""
    bell = acme.tasks["celeriac.doorbell"]
    names = ("task_prerun", "task_postrun", "task_success", "task_received", "before_task_publish")
    with heard(*names) as told:
        signals.task_received.send(sender=None, request=SimpleNamespace(task=bell))
        signals.before_task_publish.send(sender="acme.x", headers={"celeriac": "doorbell"})
        bell.__trace__ = None
        trace.trace_task(bell, "x", [["no id"]], {}, {"celeriac": "doorbell"}, app=acme)
    assert told == []
    with heard("task_prerun", "task_postrun") as told:
        ping = acme.tasks["celery.accumulate"]
        trace.trace_task(ping, "x", [], {}, {"id": "x"}, app=acme)
    assert [name for name, *_ in told] == ["task_prerun", "task_postrun"]


def test_a_dispatcher_declares_the_projects_tasks(acme):
    """Or it would judge what was lost by the defaults of kinds that it does not know."""

    @acme.task(name="acme.rescued", acks_late=True)
    def rescued():
        pass

    assert registry.get_kind("acme.rescued") is None
    CeleryPublisher(acme)
    assert registry.find_kind("acme.rescued").runs_again == {Loss.WORKER}


def test_a_job_is_revoked_by_its_id_and_a_plain_task_by_celery(acme, monkeypatch):
    """At once, though no worker listens; `terminate` is refused by name."""
    sent = []
    monkeypatch.setattr(acme.control, "broadcast", lambda *_, **named: sent.append(named))

    @acme.task(name="acme.revoked")
    def revoked():
        pass

    call, named = revoked.delay(), revoked.apply_async(task_id="mine")
    with heard("task_revoked") as told:
        call.revoke()
        acme.control.revoke(["mine", "plain-id"])
    assert [sender for _, sender, _ in told] == ["acme.revoked"] * 2
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
    assert [each["arguments"]["task_id"] for each in sent] == [["plain-id"]]
    for each in (call, named):
        assert result_of(acme, each).state == "REVOKED"
        with pytest.raises(celery.exceptions.TaskRevokedError):
            result_of(acme, each).get()
    with pytest.raises(InvalidOption, match="terminate"):
        acme.control.revoke(revoked.delay().id, terminate=True)


def test_a_worker_revokes_jobs_and_leaves_other_ids_to_celery(acme, monkeypatch):
    """Whose own verb gets them with its options."""
    others = []
    monkeypatch.setitem(revoking._plain, "revoke", lambda _, ids, **named: others.append(ids))
    monkeypatch.setattr(revoking.connection, "close", lambda: None)

    @acme.task(name="acme.told")
    def told():
        pass

    call = told.delay()
    answer = revoking.revoke(SimpleNamespace(app=acme), [call.id, "plain-id"])
    assert answer == {"ok": f"jobs cancelled: {call.id}"}
    assert others == [["plain-id"]]
    assert Job.objects.get().state == "cancelled"


def test_a_forgotten_result_is_pending_as_in_celery(acme):
    """The row stays, with all that is known of its runs."""

    @acme.task(name="acme.forgotten")
    def forgotten():
        return 5

    call = forgotten.delay()
    drain()
    result_of(acme, call).forget()
    assert (result_of(acme, call).state, result_of(acme, call).result) == ("PENDING", None)
    assert Job.objects.get().state == "succeeded"


def test_a_projects_logging_stays_as_it_is_when_its_tasks_are_imported(acme):
    """Celery would set Django up once more, and its LOGGING with it."""
    from celeriac.celery.importing import import_tasks

    own = logging.NullHandler()
    logging.getLogger("django").addHandler(own)
    before = [list(logging.getLogger(name).handlers) for name in (None, "django")]
    try:
        import_tasks(celery.current_app)
        import_tasks(acme)
        assert [list(logging.getLogger(name).handlers) for name in (None, "django")] == before
    finally:
        logging.getLogger("django").removeHandler(own)
