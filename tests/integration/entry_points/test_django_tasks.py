"""Django's documented behaviour of its Tasks, on the ledger and on its own backend.

Of `django.tasks`, or before Django 6.0 of its backport.
"""

import dataclasses
import logging
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, transaction
from django.utils import timezone

from celeriac import InvalidArgs, UnknownQueue, cancel
from celeriac.django_tasks import LedgerBackend, LedgerTask, task as ledger_task
from celeriac.django_tasks.origin import (
    InvalidTask,
    InvalidTaskBackend,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from celeriac.jobs import registry
from celeriac.jobs.errors import JobCancelled, WorkerLost
from celeriac.jobs.models import Job
from celeriac.testing import drain
from tests.app import elsewhere, tasks
from tests.app.models import Effect
from tests.support.runs import settle_one

pytestmark = pytest.mark.django_db

BACKENDS = ["default", "immediate"]
ENDLESS = []
ENDLESS.append(ENDLESS)
#: Django's own Tasks, or before 6.0 their backport.
TASKS = TaskResultDoesNotExist.__module__.rpartition(".")[0]
TaskResultMismatch = import_module(f"{TASKS}.exceptions").TaskResultMismatch
WORDS = ("enqueued", "RUNNING", "SUCCESSFUL", "FAILED")


@pytest.fixture(params=BACKENDS)
def finish(request):
    """Return a function that enqueues on one backend and returns the finished result."""

    def enqueue_and_run(task, *args, **kwargs):
        result = task.using(backend=request.param).enqueue(*args, **kwargs)
        drain()
        if task_backends[request.param].supports_get_result:
            result.refresh()
        return result

    return enqueue_and_run


@pytest.fixture
def heard():
    """Return the list of what the signals of tasks say: a name and the status at that time."""
    said = []
    receivers = {}
    for name, signal in (
        ("enqueued", task_enqueued),
        ("started", task_started),
        ("finished", task_finished),
    ):

        def receiver(sender, task_result, name=name, **kwargs):
            said.append((name, str(task_result.status), task_result.id, sender))

        receivers[signal] = receiver
        signal.connect(receiver)
    yield said
    for signal, receiver in receivers.items():
        signal.disconnect(receiver)


# -- what both backends do -----------------------------------------------------------------


def test_a_function_runs_and_its_result_says_so(finish):
    """Arguments by place and by name; the return value; the times."""
    result = finish(tasks.add, 1, b=5)
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.is_finished
    assert result.return_value == 6
    assert (result.args, result.kwargs) == ([1], {"b": 5})
    assert result.errors == []
    assert result.attempts == len(result.worker_ids) == 1
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at
    assert result.task.func is tasks.add.func


def test_a_function_of_any_signature_runs(finish):
    """Positional-only, variadic and named arguments."""
    result = finish(tasks.note, "Ada", 1, [2], colour={"red": None})
    assert result.return_value == {"values": [1, [2]], "colour": {"red": None}}
    assert Effect.objects.get().name == "Ada"


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_function_runs(finish):
    """Its return value, and what it wrote through the async ORM."""
    assert finish(tasks.anote, "Ada").return_value == "Ada"
    assert Effect.objects.get().name == "Ada"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("task", [tasks.describe, tasks.adescribe], ids=["function", "coroutine"])
def test_the_context_tells_attempt_and_result(finish, task):
    """It comes first and is no argument of the caller's."""
    result = finish(task)
    said = result.return_value
    assert (said["attempt"] if isinstance(said, dict) else said) == 1
    assert (result.args, result.kwargs) == ([], {})
    if isinstance(said, dict):
        assert said["id"] == result.id


def test_an_error_is_a_failed_result_with_class_and_traceback(finish):
    """And asking for its value is an error."""
    result = finish(tasks.fail, "no luck")
    assert result.status == TaskResultStatus.FAILED
    assert result.is_finished
    (error,) = result.errors
    assert error.exception_class is ValueError
    assert error.traceback.endswith("ValueError: no luck\n")
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


def test_an_error_may_hold_anything(finish):
    """Its traceback shows it."""
    result = finish(tasks.fail_within)
    assert result.errors[0].exception_class is ValueError
    assert 'ValueError(ValueError("this task failed"))' in result.errors[0].traceback


def test_a_task_that_has_run_is_equal_to_the_one_that_was_enqueued(finish):
    """Whatever came of it."""
    for task in (tasks.add.using(priority=3), tasks.fail.using(queue_name="default")):
        result = finish(task, 1)
        assert (result.task.func, result.task.priority) == (task.func, task.priority)
        if isinstance(result.task.get_backend(), LedgerBackend):
            assert result.task == task


def test_the_log_of_django_tells_the_life_of_a_task(finish, caplog):
    """enqueued, RUNNING, SUCCESSFUL or FAILED, with the error."""
    with caplog.at_level(logging.DEBUG, logger=TASKS):
        good, bad = finish(tasks.add, 1), finish(tasks.fail, "no luck")
    lines = [each for each in caplog.records if each.name == TASKS]
    words = [[word for word in WORDS if word in each.getMessage()] for each in lines]
    assert words == [
        ["enqueued"],
        ["RUNNING"],
        ["SUCCESSFUL"],
        ["enqueued"],
        ["RUNNING"],
        ["FAILED"],
    ]
    assert [good.id in each.getMessage() for each in lines] == [True] * 3 + [False] * 3
    assert bad.id in lines[-1].getMessage()
    assert isinstance(lines[-1].exc_info[1], ValueError)
    assert lines[2].exc_info is None


def test_even_a_system_exit_is_a_failed_result(finish):
    """It ends the task, not the worker."""
    result = finish(tasks.exit_hard)
    assert result.errors[0].exception_class is SystemExit


def test_a_value_that_is_not_json_fails_the_task(finish):
    """Nothing is altered or dropped in silence."""
    result = finish(tasks.unjson)
    assert result.status == TaskResultStatus.FAILED
    assert result.errors[0].exception_class is TypeError
    assert "Unsupported type" in result.errors[0].traceback


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "bad", [{1, 2}, datetime(2030, 1, 1), object()], ids=["set", "datetime", "object"]
)
def test_arguments_must_be_json(backend, bad):
    """TypeError, before anything is written."""
    task = tasks.noop.using(backend=backend)
    with pytest.raises(TypeError, match="Unsupported type"):
        task.enqueue(bad)
    with pytest.raises(TypeError, match="Unsupported type"):
        task.enqueue(key=[bad])
    assert not Job.objects.exists()


def test_arguments_are_normalised(finish):
    """A tuple is a list, bytes are text."""
    result = finish(tasks.noop, (1, 2), b"text", key={"deep": (3,)})
    assert result.args == [[1, 2], "text"]
    assert result.kwargs == {"key": {"deep": [3]}}


def test_the_signals_come_in_order(finish, heard):
    """enqueued, started, finished, each with the status of its time."""
    result = finish(tasks.add, 1)
    assert [(name, status) for name, status, _, _ in heard] == [
        ("enqueued", "READY"),
        ("started", "RUNNING"),
        ("finished", "SUCCESSFUL"),
    ]
    assert {found for _, _, found, _ in heard} == {result.id}
    assert len({sender for _, _, _, sender in heard}) == 1


def test_a_failure_is_signalled_as_finished(finish, heard):
    """With the status FAILED."""
    finish(tasks.fail)
    assert heard[-1][:2] == ("finished", "FAILED")


@pytest.mark.parametrize("backend", BACKENDS)
def test_priority_is_a_whole_number_in_range(backend):
    """-100 to 100."""
    task = tasks.noop.using(backend=backend)
    assert task.using(priority=100).priority == 100
    for bad in (101, -101, 3.5):
        with pytest.raises(InvalidTask, match="whole number between -100 and 100"):
            task.using(priority=bad)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_queue_must_be_the_backends(backend):
    """Else the task would wait where nobody looks."""
    with pytest.raises(InvalidTask, match="Queue 'nowhere' is not valid for backend"):
        tasks.noop.using(backend=backend, queue_name="nowhere")


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_functions_of_a_module_can_be_tasks(backend):
    """Nothing else could be found again in a worker."""
    with pytest.raises(InvalidTask, match="module level"):
        task_backends[backend].task_class(
            priority=0,
            func=lambda: None,
            backend=backend,
            queue_name="default",
            run_after=None,
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_task_that_takes_context_has_it_as_its_first_argument(backend):
    """Named `context`."""
    with pytest.raises(InvalidTask, match="first argument of 'context'"):
        task_backends[backend].task_class(
            priority=0,
            func=tasks.plain_function,
            backend=backend,
            queue_name="default",
            run_after=None,
            takes_context=True,
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_using_makes_another_task(backend):
    """And leaves the first as it was."""
    task = tasks.noop.using(backend=backend)
    urgent = task.using(priority=10)
    assert (task.priority, urgent.priority) == (0, 10)
    assert (urgent.name, urgent.module_path) == ("noop", "tests.app.tasks.noop")
    assert task.using() == task


def test_a_task_can_still_be_called_as_a_function():
    """call() and acall() run it here."""
    from asgiref.sync import async_to_sync

    assert tasks.add.call(1, b=1) == 2
    assert async_to_sync(tasks.add.acall)(1) == 3
    assert not Job.objects.exists()


def test_an_unknown_backend_is_an_error():
    """As is having none."""
    with pytest.raises(InvalidTaskBackend, match="'unknown' doesn't exist"):
        tasks.noop.using(backend="unknown")


# -- what our backend does besides ---------------------------------------------------------


def test_the_backend_supports_everything_that_django_has_a_flag_for():
    """defer, async functions, results, priority."""
    backend = task_backends["default"]
    assert isinstance(backend, LedgerBackend)
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert backend.supports_priority
    assert task_backends["default"].task_class is LedgerTask


def test_a_task_is_a_job_of_the_ledger():
    """Under its import path, with what the task says of queue, priority and time."""
    later = timezone.now() + timedelta(hours=1)
    task = tasks.note.using(queue_name="payments", priority=-7, run_after=later)
    result = task.enqueue("Ada", 1, colour="red")
    job = Job.objects.get()
    assert result.id == str(job.id)
    assert job.kind == "tests.app.tasks.note"
    assert (job.queue, job.priority, job.run_at) == ("payments", -7, later)
    assert job.args == {"args": ["Ada", 1], "kwargs": {"colour": "red"}}
    assert job.max_attempts == 1


@pytest.mark.django_db(transaction=True)
def test_a_task_exists_if_and_only_if_the_callers_transaction_commits():
    """The first promise of the ledger."""
    with transaction.atomic():
        result = tasks.noop.enqueue()
        transaction.set_rollback(True)
    with pytest.raises(TaskResultDoesNotExist):
        tasks.noop.get_result(result.id)
    with transaction.atomic():
        result = tasks.noop.enqueue()
    assert tasks.noop.get_result(result.id) == result


def test_a_deferred_task_runs_when_its_time_has_come():
    """And is READY until then."""
    result = tasks.add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1)
    assert drain() == []
    result.refresh()
    assert result.status == TaskResultStatus.READY
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value
    drain(with_scheduled=True)
    result.refresh()
    assert result.return_value == 3


def test_a_naive_time_is_refused():
    """Nobody knows which moment it means."""
    with pytest.raises(InvalidTask, match="aware datetime"):
        tasks.noop.using(run_after=datetime(2030, 1, 1))
    aware = datetime(2030, 1, 1, tzinfo=UTC)
    assert tasks.noop.using(run_after=aware).run_after == aware


def test_urgent_tasks_run_first():
    """Higher first."""
    for priority in (0, 50, -50):
        tasks.note.using(priority=priority).enqueue(str(priority))
    drain()
    ran = list(Effect.objects.order_by("id").values_list("name", flat=True))
    assert ran == ["50", "0", "-50"]


def test_a_result_can_be_had_again():
    """By its id, from the task or from the backend; equal to what enqueue returned."""
    result = tasks.add.enqueue(1)
    assert tasks.add.get_result(result.id) == result
    assert task_backends["default"].get_result(result.id) == result
    with pytest.raises(TaskResultMismatch, match=r"tests\.app\.tasks\.add"):
        tasks.noop.get_result(result.id)


def test_a_refresh_changes_nothing_where_nothing_happened():
    """Field by field; and a whole number may be written 5.0."""
    result = tasks.add.using(priority=5.0).enqueue(1)
    before = dataclasses.asdict(result)
    result.refresh()
    assert dataclasses.asdict(result) == before
    assert Job.objects.get().priority == 5


def test_a_backend_without_queues_leaves_them_to_the_ledger(settings):
    """An empty QUEUES means any; the ledger still knows its own."""
    settings.TASKS = {
        "default": {"BACKEND": "celeriac.django_tasks.LedgerBackend", "QUEUES": []},
    }
    tasks.add.using(queue_name="payments").enqueue(1)
    with pytest.raises(UnknownQueue, match="Did you mean 'payments'"):
        tasks.add.using(queue_name="payment").enqueue(1)


def test_a_task_is_validated_again_when_it_is_enqueued(settings):
    """The settings may have changed since it was made."""
    urgent = tasks.add.using(queue_name="payments")
    settings.TASKS = {
        "default": {"BACKEND": "celeriac.django_tasks.LedgerBackend", "QUEUES": ["default"]},
    }
    with pytest.raises(InvalidTask, match="Queue 'payments' is not valid"):
        urgent.enqueue(1)
    settings.TASKS = {}
    with pytest.raises(InvalidTaskBackend):
        tasks.add.enqueue(1)


@pytest.mark.parametrize("unknown", ["nonsense", "", "0198c0de-0000-7000-8000-000000000000"])
def test_an_unknown_result_does_not_exist(unknown):
    """Whether it is no id at all or nobody's."""
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(unknown)


def test_a_job_that_is_no_task_has_no_result_here(make_job):
    """The ids of other kinds open nothing."""
    job = make_job("test.note", {"name": "Ada"})
    with pytest.raises(TaskResultDoesNotExist, match=r"test\.note"):
        task_backends["default"].get_result(str(job.id))


@pytest.mark.django_db(transaction=True)
def test_everything_can_be_awaited():
    """aenqueue, aget_result, arefresh."""
    from asgiref.sync import async_to_sync

    async def visit():
        result = await tasks.add.aenqueue(1, b=1)
        again = await tasks.add.aget_result(result.id)
        await again.arefresh()
        return result, again

    result, again = async_to_sync(visit)()
    assert again == result
    drain()
    result.refresh()
    assert result.return_value == 2


def test_retries_are_attempts_with_their_errors(heard):
    """READY between runs; finished once."""
    result = tasks.fail_twice.enqueue("Ada")
    drain()
    result.refresh()
    assert (result.status, result.attempts, len(result.errors)) == (TaskResultStatus.READY, 1, 1)
    drain(with_scheduled=True)
    result.refresh()
    assert result.return_value == result.attempts == 3
    assert [error.exception_class for error in result.errors] == [RuntimeError] * 2
    assert result.started_at < result.last_attempted_at
    assert [name for name, *_ in heard] == ["enqueued", *["started"] * 3, "finished"]


def test_a_return_value_that_can_not_be_kept_does_not_run_the_task_again():
    """It has done its work."""
    result = tasks.unjson_once.enqueue()
    drain(with_scheduled=True)
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 1)
    assert Effect.objects.count() == 1


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("nul", "NUL"),
        ("keys", "the keys of an object are text"),
        ("endless", "deeper than"),
        ("nan", "NaN"),
        ("large", "2,000,002 bytes"),
        ("huge", "64 bits"),
    ],
)
def test_a_return_value_is_never_altered_or_dropped(how, problem):
    """It is kept as it is, or the task says what is wrong with it."""
    result = tasks.unstorable.enqueue(how)
    drain()
    result.refresh()
    assert result.errors[0].exception_class is TypeError
    assert problem in result.errors[0].traceback


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([], {}, "missing a required argument: 'a'"),
        ([1, 2, 3], {}, "too many positional arguments"),
        ([1], {"c": 3}, "unexpected keyword argument 'c'"),
        (["a\x00b"], {}, "NUL"),
        ([float("nan")], {}, "NaN"),
        ([2**70], {}, "64 bits"),
        ([{1: 2}], {}, "string"),
        ([ENDLESS], {}, "deeper than"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_at_the_door(args, kwargs, message):
    """Not by the worker, an hour later."""
    with pytest.raises(InvalidArgs, match=message):
        tasks.add.enqueue(*args, **kwargs)
    assert not Job.objects.exists()


def test_a_cancelled_task_has_failed_and_says_why():
    """Also where it never ran."""
    result = tasks.add.enqueue(1)
    cancel(Job.objects.get().id, reason="second thoughts")
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 0)
    assert result.errors[0].exception_class is JobCancelled
    assert "second thoughts" in result.errors[0].traceback


def test_a_task_given_up_has_failed():
    """By the ledger's own exceptions."""
    result = tasks.give_up.enqueue()
    drain()
    result.refresh()
    assert result.errors[0].exception_class_path == "celeriac.jobs.outcomes.GiveUp"
    assert "no such customer" in result.errors[0].traceback


def test_a_run_lost_with_its_process_is_an_error_of_the_result(worker_context):
    """A loss is no failure: the task is READY again."""
    from uuid import uuid4

    from celeriac.jobs.deciding import decide_settlement
    from celeriac.jobs.outcomes import loss
    from celeriac.jobs.running.claim import claim_jobs

    result = tasks.fail_twice.enqueue("Ada")
    job, claim_id = Job.objects.get(), uuid4()
    claim_jobs(
        [job.id], claim_id=claim_id, worker=worker_context.worker, known=worker_context.capabilities
    )
    settlement = decide_settlement(
        loss("its worker died"), registry.find_kind(job.kind), 1, 0, 0, 3
    )
    settle_one(job.id, claim_id, settlement)
    result.refresh()
    assert result.status == TaskResultStatus.READY
    assert result.errors[0].exception_class is WorkerLost
    assert result.worker_ids == [str(worker_context.worker)]


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_is_cancelled_at_its_soft_limit_and_may_clean_up():
    """Its await raises CancelledError; the result says TimeLimitExceeded."""
    result = tasks.too_long.enqueue(30)
    drain()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.errors[0].exception_class_path == "celeriac.jobs.outcomes.TimeLimitExceeded"
    assert Effect.objects.get().name == "cleaned up"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", [False, True])
def test_a_transactional_coroutine_commits_with_its_completion_or_not_at_all(fails):
    """What the async ORM writes joins the job's own transaction."""
    result = tasks.all_or_nothing.enqueue("Ada", fails=fails)
    drain()
    result.refresh()
    assert result.status == ("FAILED" if fails else "SUCCESSFUL")
    assert Effect.objects.exists() is not fails


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_knows_its_job():
    """current_job() works in it, and in sync code that it calls."""
    result = tasks.in_loop.enqueue()
    drain()
    result.refresh()
    assert result.return_value == result.id


def test_lock_and_unique_are_templates_over_the_functions_own_arguments():
    """However the caller passed them."""
    first = tasks.locked.enqueue("a", 1)
    job = Job.objects.get()
    assert (job.lock_key, job.unique_key) == ("account:a", "account:a")
    again = tasks.locked.enqueue(account="a", amount=2)
    assert again.id == first.id
    assert again.args == ["a", 1]
    assert Job.objects.count() == 1


def test_a_second_call_that_finds_its_job_is_not_signalled_as_enqueued(heard):
    """Nothing was."""
    task = tasks.add.using(idempotency_key="once")
    assert task.enqueue(1).id == task.enqueue(1).id
    assert [name for name, *_ in heard] == ["enqueued"]


def test_using_takes_what_one_call_of_the_ledger_may_say():
    """Expiry, keys, tenant, callback."""
    task = tasks.add.using(
        expires_at=timedelta(minutes=5), lock_key="lock", unique_key="one", tenant="acme"
    )
    task.enqueue(1)
    job = Job.objects.get()
    assert (job.lock_key, job.unique_key, job.tenant) == ("lock", "one", "acme")
    assert timedelta(minutes=4) < job.expires_at - job.created_at <= timedelta(minutes=5)
    with pytest.raises(TypeError, match="Did you mean 'unique_key'"):
        tasks.add.using(uniqe_key="one")


def test_ledger_options_are_refused_on_another_backend():
    """They would be dropped in silence."""
    with pytest.raises(InvalidTask, match="unique_key needs a LedgerBackend"):
        tasks.add.using(unique_key="one").using(backend="immediate")
    with pytest.raises(InvalidTask, match="no LedgerBackend"):
        ledger_task(backend="immediate")
    with pytest.raises(TypeError, match="Did you mean 'timeout'"):
        ledger_task(timout=3)(tasks.plain_function)


def test_a_backends_options_are_the_defaults_of_its_tasks():
    """OPTIONS: retry and limits; a former name is still known."""
    from celeriac.jobs import registry

    kind = registry.find_kind("tests.app.tasks.former")
    assert (kind.name, kind.timeout, kind.retry.max_attempts) == ("tests.app.tasks.hasty", 0.3, 1)
    result = tasks.hasty.enqueue(30)
    drain()
    result.refresh()
    assert result.errors[0].exception_class_path == "celeriac.jobs.outcomes.TimeLimitExceeded"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"OPTIONS": {"timout": 3}}, "Did you mean 'timeout'"),
        ({"OPTIONS": {"lock": "x"}}, "OPTIONS has no option 'lock'"),
        ({"OPTIONS": {"retry": {"max_attempts": 0}}}, "give 1 or more"),
    ],
)
def test_bad_options_of_a_backend_are_refused_when_it_is_made(params, message):
    """Not at the first task."""
    with pytest.raises(InvalidTaskBackend, match=message):
        LedgerBackend("other", params)


def test_a_queue_that_the_ledger_lacks_is_a_system_check_error(settings):
    """`manage.py check` names it."""
    settings.TASKS = {
        "default": {
            "BACKEND": "celeriac.django_tasks.LedgerBackend",
            "QUEUES": ["default", "nowhere"],
        }
    }
    found = [each for each in run_checks() if each.id == "celeriac_jobs.E008"]
    assert [each.msg for each in found] == [
        "TASKS['default'] names the queue 'nowhere', which CELERIAC['QUEUES'] lacks."
    ]


# -- functions that workers do not load at their start -------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["note", "anote"])
def test_a_task_elsewhere_runs_under_the_general_kind(name):
    """Found by its import path when it runs."""
    task = getattr(elsewhere, name)
    result = task.enqueue("Ada")
    job = Job.objects.get()
    assert (job.kind, job.args["task"]) == ("django.task", f"tests.app.elsewhere.{name}")
    assert task.get_result(result.id) == result
    drain()
    result.refresh()
    assert result.return_value == "Ada"
    assert Effect.objects.get().name == "Ada"


def test_a_task_of_another_backend_can_be_enqueued_on_this_one(heard):
    """With using(); its signals and its result are this backend's."""
    result = elsewhere.others.using(backend="default").enqueue("Ada")
    drain()
    result = task_backends["default"].get_result(result.id)
    assert (result.return_value, result.backend, result.task.backend) == (
        *("Ada", "default"),
        "default",
    )
    assert [(name, sender) for name, _, _, sender in heard] == [
        ("enqueued", LedgerBackend),
        ("started", LedgerBackend),
        ("finished", LedgerBackend),
    ]


def test_a_database_that_is_away_before_the_start_is_no_failure(monkeypatch):
    """The function has not run."""
    from celeriac.django_tasks import results

    def away(*args):
        raise OperationalError("the server closed the connection")

    result = tasks.add.enqueue(1)
    with monkeypatch.context() as patch:
        patch.setattr(results, "result_of_job", away)
        drain()
    result.refresh()
    assert (result.status, result.errors) == (TaskResultStatus.READY, [])
    assert "the database was away" in Job.objects.get().wait_reason
    drain(with_scheduled=True)
    result.refresh()
    assert result.return_value == 3


def test_other_doors_reach_a_task_by_its_kind():
    """A schedule, or a call over HTTP: the same checks, the same schema for all to read."""
    from celeriac import enqueue
    from celeriac.jobs import registry

    for kind in registry.declared_kinds():
        assert kind.schema.json_schema()["type"] == "object"
    enqueue("tests.app.tasks.add", {"args": [1], "kwargs": {"b": 4}})
    enqueue("tests.app.tasks.add", {"args": [5]})
    enqueue("tests.app.tasks.locked", {"kwargs": {"account": "a"}})
    assert {job.result for job in drain()} == {5, 7, "a"}
    assert Job.objects.get(kind="tests.app.tasks.locked").lock_key == "account:a"
    with pytest.raises(InvalidArgs, match="missing a required argument: 'a'"):
        enqueue("tests.app.tasks.add", {})
    with pytest.raises(InvalidArgs, match="args"):
        enqueue("tests.app.tasks.add", {"args": {"a": 1}})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tests.app.elsewhere.no_task", "is no task"),
        ("tests.app.elsewhere.nothing", "There is no task"),
        ("tests.app.elsewhere.Effect.objects", "There is no task"),
        ("os.system", "no installed app"),
        ("subprocess.run", "no installed app"),
        ("tests.app.elsewhere", "is no task"),
        ("tests.appendix.evil", "no installed app"),
        ("antigravity", "no installed app"),
        ("", "no installed app"),
        ("tests.app.elsewhere.note()", "no installed app"),
        ("tests.app.unfit.note", "There is no task"),
        (f"tests.app.{'x' * 5000}.note", "There is no task"),
    ],
)
def test_no_path_leads_to_anything_but_a_task(path, message, make_job, answer):
    """Neither at the door nor in a worker that finds such a row."""
    from celeriac import enqueue

    with pytest.raises(InvalidArgs, match=message):
        enqueue("django.task", {"task": path, "args": [], "kwargs": {}})
    job = make_job("django.task", {"task": path, "args": [], "kwargs": {}})
    answer(job)
    job.refresh_from_db()
    assert job.state == "dead"
    assert message in job.error
    with pytest.raises(TaskResultDoesNotExist, match=message):
        task_backends["default"].get_result(str(job.id))


def test_options_of_a_task_that_workers_do_not_load_are_refused(monkeypatch):
    """They would not be kept."""

    def far_away():
        """Be declared in a module of no tasks."""

    far_away.__qualname__ = "far_away"
    far_away.__module__ = "tests.app.models"
    with pytest.raises(InvalidTask, match=r"name its module in CELERIAC.*MODULES"):
        ledger_task(timeout=3)(far_away)


def test_a_task_of_no_installed_app_is_refused_when_it_is_enqueued():
    """No worker would find it."""

    def homeless():
        """Be in a module of nobody's."""

    homeless.__qualname__ = "homeless"
    homeless.__module__ = "somewhere"
    with pytest.raises(InvalidTask, match="lies in no installed app"):
        ledger_task(homeless).enqueue()


def test_an_operators_move_does_not_make_a_result_unreadable():
    """A result shows the task as the job stands, whatever the backend's queues."""
    result = tasks.hasty.enqueue()
    Job.objects.update(queue="payments", priority=3)
    found = tasks.hasty.get_result(result.id)
    assert (found.task.queue_name, found.task.priority) == ("payments", 3)


def test_a_broken_receiver_fails_no_job(caplog):
    """What hears of a start or an end can't undo it."""

    def broken(**kwargs):
        raise RuntimeError("deaf")

    task_started.connect(broken)
    task_finished.connect(broken)
    try:
        with caplog.at_level(logging.CRITICAL):
            result = tasks.add.enqueue(1)
            drain()
    finally:
        task_started.disconnect(broken)
        task_finished.disconnect(broken)
    result.refresh()
    assert result.return_value == 3
