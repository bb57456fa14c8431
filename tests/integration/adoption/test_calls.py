"""Calls of a project's own tasks: what becomes a row, and what stays Celery's."""

import logging
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import inf
from uuid import UUID, uuid4

import celery
import pytest
from celery._state import _task_stack
from celery.result import EagerResult
from django.db import transaction
from django.utils.translation import gettext_lazy

from celeriac import InvalidArgs
from celeriac.celery import Celery
from celeriac.celery.app import LedgerApp
from celeriac.core import clock
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.errors import IdempotencyConflict, InvalidOption, UnknownQueue
from celeriac.jobs.models import Job, Queue
from celeriac.jobs.models.largecall import LargeCall
from celeriac.jobs.operating.prune import prune_jobs
from celeriac.jobs.redaction import redactor_for
from celeriac.testing import drain

pytestmark = pytest.mark.django_db


def rolled_back(call):
    """Call within a transaction that rolls back; return how many jobs it had."""
    with transaction.atomic():
        call()
        count = Job.objects.count()
        transaction.set_rollback(True)
    return count


@pytest.fixture
def seen():
    """What the test's tasks were called with."""
    return []


@pytest.fixture
def note(acme, seen):
    """Return a task that takes anything and notes it."""

    @acme.task(name="acme.note")
    def note(*args, **kwargs):
        seen.append((args, kwargs))

    return note


def test_a_task_that_fits_a_pattern_is_a_job_from_end_to_end(acme):
    """Its call writes a row, and a worker runs the task's function with its arguments."""
    seen = []

    @acme.task(name="acme.add")
    def add(x, y=1, *more, **named):
        seen.append((x, y, more, named))
        return x + y

    result = add.delay(1, 2, 3, z=4)
    row = Job.objects.get()
    assert (str(row.id), row.kind, row.queue) == (result.id, "acme.add", "default")
    assert row.args == {"args": [1, 2, 3], "kwargs": {"z": 4}}
    [ran] = drain()
    assert (ran.state, ran.result) == ("succeeded", 3)
    assert seen == [(1, 2, (3,), {"z": 4})]


def test_nothing_moves_unasked(adopt, broker):
    """A task that fits no pattern is sent as a message, of Celery's own class."""
    app = adopt("acme.billing.*")

    @app.task(name="acme.mail.send")
    def send():
        """Nothing."""

    @app.task(name="acme.billing.charge")
    def charge():
        """Nothing."""

    send.delay()
    assert broker.llen("default") == 1
    assert type(app.tasks["acme.mail.send"]).__mro__[1] is app.Task
    charge.delay()
    assert [job.kind for job in Job.objects.all()] == ["acme.billing.charge"]
    assert isinstance(charge, app.Task)


def test_a_row_rolls_back_with_the_callers_transaction(note):
    """And so it does where the call would have waited for the commit."""
    for call in (note.delay, note.delay_on_commit, lambda: note.apply_async_on_commit(())):
        assert rolled_back(call) == 1
    assert not Job.objects.exists()


TYPED = [
    UUID(int=7),
    datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    datetime(2030, 1, 2),
    date(2030, 1, 2),
    time(3, 4),
    Decimal("1.10"),
    b"abc",
    b"\xff\x00",
    {"b": 1, "a": {"zz": 1, "y": UUID(int=8)}},
    [1.0, 1e22, -0.0, inf],
    "nul \x00 and half \ud800",
    2**70,
]


@pytest.mark.parametrize("value", TYPED, ids=repr)
def test_what_kombus_json_carries_comes_back_as_it_went(note, seen, value):
    """Types, order of keys and numbers; also what the row's own JSON lacks."""
    note.delay(value, named=value)
    drain()
    assert repr(seen) == repr([((value,), {"named": value})])


def test_a_lazy_text_is_text(note, seen):
    """As in kombu's JSON."""
    note.delay(gettext_lazy("Ada"))
    drain()
    assert seen == [(("Ada",), {})]


def test_what_json_can_not_carry_is_refused_by_name(note):
    """Celery would refuse it, too, or pickle it."""
    with pytest.raises(InvalidArgs, match=r"acme\.note.*object is not JSON.*Pickled"):
        note.delay(object())
    with pytest.raises(InvalidOption, match="pickled"):
        note.apply_async((1,), serializer="pickle")
    assert not Job.objects.exists()


def test_large_arguments_stand_beside_the_job_and_go_with_it(note, seen, settings):
    """In the same transaction, up to a limit of their own."""
    settings.CELERIAC = {**settings.CELERIAC, "MAX_ARGS_BYTES": 100, "MAX_LARGE_ARGS_BYTES": 1000}
    assert rolled_back(lambda: note.delay("x" * 500)) == 1
    assert not LargeCall.objects.exists()
    note.delay("x" * 500)
    job = Job.objects.get()
    assert job.args == {"apart": 528}
    assert LargeCall.objects.get().job_id == job.id
    drain()
    assert seen == [(("x" * 500,), {})]
    with pytest.raises(InvalidArgs, match=r"1,000 are allowed.*MAX_LARGE_ARGS_BYTES"):
        note.delay("x" * 1000)
    Job.objects.update(finished_at=clock.db_now() - timedelta(days=99))
    prune_jobs()
    assert not LargeCall.objects.exists()


def test_annotations_are_not_enforced_but_the_signature_is(acme):
    """As Celery does it: `typing=False` leaves that out, too."""

    @acme.task(name="acme.strict")
    def strict(number: int):
        return number

    @acme.task(name="acme.loose", typing=False)
    def loose(number: int):
        return number

    strict.delay("seven")
    with pytest.raises(TypeError, match="number"):
        strict.delay()
    loose.delay()
    assert sorted(job.state for job in drain()) == ["dead", "succeeded"]


def test_annotations_for_type_checkers_alone_do_no_harm(acme, seen):
    """They are never looked at."""

    @acme.task(name="acme.hinted")
    def hinted(ghost: "Ghost") -> "Ghost":  # noqa: F821 nobody imports it
        seen.append(ghost)

    hinted.delay(1)
    drain()
    assert seen == [1]


def test_times_wait_in_the_row(note):
    """countdown, eta (naive is UTC) and expires, on the call or the task."""
    now = clock.db_now()
    note.apply_async(countdown=60)
    note.apply_async(eta=datetime(2040, 1, 1))
    note.apply_async(eta="2041-01-01T00:00:00+02:00")
    soon, later, zoned = Job.objects.order_by("run_at")
    assert timedelta(seconds=59) < soon.run_at - now < timedelta(seconds=70)
    assert later.run_at == datetime(2040, 1, 1, tzinfo=UTC)
    assert zoned.run_at == datetime(2040, 12, 31, 22, tzinfo=UTC)
    Job.objects.all().delete()
    note.apply_async(expires=600)
    assert timedelta(seconds=599) < Job.objects.get().expires_at - now < timedelta(seconds=620)


@pytest.mark.parametrize(
    "times", [{"expires": -1}, {"countdown": 60, "expires": 5}, {"expires": datetime(2020, 1, 1)}]
)
def test_what_expires_before_it_may_start_never_starts(note, seen, times):
    """Celery would receive it and revoke it."""
    note.apply_async(**times)
    drain(with_scheduled=True)
    assert seen == []


@pytest.mark.parametrize(("broker", "expected"), [(None, -3), ("pyamqp://", 3)])
def test_priorities_keep_the_meaning_of_the_broker(adopt, broker, expected):
    """To Redis 0 is the most urgent, to RabbitMQ the least; both numbers are kept."""
    config = {"broker_url": broker} if broker else {}
    app = adopt("acme.*", task_default_priority=3, **config)

    @app.task(name="acme.urgent")
    def urgent():
        """Nothing."""

    urgent.delay()
    job = Job.objects.get()
    assert (job.priority, job.headers) == (expected, {"delivery_info": {"priority": 3}})


def test_queues_are_those_of_celerys_router(adopt):
    """Routes by pattern, by function, of the task and of the call."""

    def route(name, args, kwargs, options, task=None, **_):
        return {"queue": "maintenance"} if name == "acme.swept" else None

    app = adopt("acme.*", task_routes=[route, {"acme.pay*": {"queue": "payments", "priority": 2}}])
    tasks = {name: app.task(name=f"acme.{name}")(_nothing) for name in ("swept", "pay", "else")}
    for name, task in tasks.items():
        task.delay()
        assert registry.find_kind(f"acme.{name}").queue == Job.objects.latest("id").queue
    assert [job.queue for job in Job.objects.order_by("id")] == [
        "maintenance",
        "payments",
        "default",
    ]
    assert Job.objects.get(queue="payments").priority == -2
    tasks["pay"].apply_async(queue="notifications")
    assert Job.objects.latest("id").queue == "notifications"


def test_headers_are_kept(note):
    """With what else the message would have borne."""
    note.apply_async((1,), headers={"trace": "x"}, shadow="nice", time_limit=7, soft_time_limit=5)
    assert Job.objects.get().headers == {"trace": "x", "shadow": "nice", "timelimit": [7, 5]}


def test_an_id_of_the_callers_own_is_the_jobs(note):
    """A UUID is the row's; other text has a column of its own; the same again gives that job."""
    mine = str(uuid4())
    assert note.apply_async((1,), task_id=mine).id == mine
    assert note.apply_async((1,), task_id="mine").id == "mine"
    assert set(Job.objects.values_list("task_id", flat=True)) == {None, "mine"}
    for again in (mine, "mine"):
        assert note.apply_async((2,), task_id=again).id == again
    assert Job.objects.count() == 2
    assert {str(job.id) for job in Job.objects.filter(task_id=None)} == {mine}
    drain()
    assert note.apply_async((1,), task_id="mine").id == "mine"
    assert drain() == []


def test_an_id_that_another_tasks_job_has_is_refused(acme, note):
    """It would be given a job that does something else."""
    other = acme.task(name="acme.other")(_nothing)
    note.apply_async(task_id="mine")
    with pytest.raises(IdempotencyConflict, match=r"job of 'acme\.note'"):
        other.apply_async(task_id="mine")


def test_what_only_a_broker_could_use_is_left_out_with_one_warning(note, caplog):
    """What is about the journey of a message alone is not worth a word."""
    with caplog.at_level(logging.WARNING, logger="celeriac.celery.adopted"):
        for _ in range(2):
            note.apply_async(
                MessageGroupId="7", retry=False, compression="zlib", ignore_result=True
            )
    assert [record.args[1] for record in caplog.records] == ["MessageGroupId"]
    assert Job.objects.filter(headers__ignore_result=True).count() == 2


def test_signatures_are_celerys_own(acme, note, seen):
    """As periodic tasks and plain calls use them."""
    note.s(1, x=2).apply_async()
    note.si(3).delay()
    acme.signature("acme.note", args=(4,)).apply_async(countdown=0)
    acme.add_periodic_task(10, note.s(5), name="each ten")
    assert acme.conf.beat_schedule["each ten"]["task"] == "acme.note"
    drain()
    assert seen == [((1,), {"x": 2}), ((3,), {}), ((4,), {})]


def test_sent_by_name_from_our_app_it_is_a_row(acme, note, broker):
    """With the options of the call; another name is a message."""
    result = acme.send_task("acme.note", [1], {"x": 2}, countdown=60, task_id="mine")
    acme.send_task("elsewhere.note", [1], queue="other")
    job = Job.objects.get()
    assert (result.id, job.task_id, job.args["args"]) == ("mine", "mine", [1])
    assert job.run_at > clock.db_now()
    assert broker.llen("other") == 1


def test_eager_mode_and_apply_are_celerys_own(acme, note, seen):
    """Nothing is written."""
    assert isinstance(note.apply((1,)), EagerResult)
    acme.conf.task_always_eager = True
    assert isinstance(note.delay(2), EagerResult)
    assert seen == [((1,), {}), ((2,), {})]
    assert not Job.objects.exists()
    note(3)
    assert seen[-1] == ((3,), {})


def _nothing():
    """Do nothing."""


class Base(celery.Task):
    """A project's base class, which has its say before the ledger."""

    abstract = True

    def apply_async(self, args=None, kwargs=None, **options):
        """Add a word."""
        return super().apply_async((*(args or ()), "added"), kwargs, **options)

    def __call__(self, *args, **kwargs):
        """Call with one more."""
        return super().__call__(*args, "called", **kwargs)


def test_a_base_class_of_the_projects_own_keeps_its_say(acme, seen):
    """Of one task, of a task that is a class, and of all the app's tasks."""

    @acme.task(name="acme.based", base=Base, bind=True)
    def based(self, *args):
        seen.append(args)

    class Classy(Base):
        name = "acme.classy"

        def run(self, *args):
            seen.append(args)

    based.delay(1)
    acme.register_task(Classy()).delay(2)
    drain()
    assert seen == [(1, "added", "called"), (2, "added", "called")]


def test_an_app_wide_task_class_keeps_its_say(adopt, seen):
    """`Celery(task_cls=…)`."""
    app = adopt("acme.*", app_class=lambda *args, **kw: Celery(*args, task_cls=Base, **kw))

    @app.task(name="acme.wide")
    def wide(*args):
        seen.append(args)

    wide.delay()
    drain()
    assert seen == [("added", "called")]


def test_an_app_class_of_the_projects_own_takes_a_mixin(adopt, seen):
    """`class Acme(LedgerApp, celery.Celery)`."""

    class Acme(LedgerApp, celery.Celery):
        """The project's own."""

    @adopt("acme.*", app_class=Acme).task(name="acme.mixed")
    def mixed():
        seen.append(1)

    mixed.delay()
    drain()
    assert seen == [1]


def test_a_plain_app_may_take_our_task_class(adopt, seen):
    """`celery.Celery(task_cls="celeriac.celery:Task")`."""

    def plain(*args, **options):
        return celery.Celery(*args, task_cls="celeriac.celery:Task", **options)

    app = adopt("acme.*", app_class=plain)

    @app.task(name="acme.task_cls")
    def task():
        seen.append(1)

    task.delay()
    drain()
    assert seen == [1]
    assert "celeriac.doorbell" in app.tasks  # its workers answer
    assert "SharedConsumer" in app.conf.worker_consumer


def test_a_shared_task_is_a_job(acme, seen):
    """Of a module that knows no app."""

    @celery.shared_task(name="acme.shared")
    def shared():
        seen.append(1)

    acme.set_current()
    try:
        acme.tasks["acme.shared"].delay()
    finally:
        from config.celery import app

        app.set_current()
    drain()
    assert seen == [1]


def test_a_caller_that_runs_is_the_parent(acme):
    """Its children say whose they are."""
    child = acme.task(name="acme.child")(_nothing)
    parent = acme.task(name="acme.parent")(_nothing)
    parent.push_request(id="p", root_id="r", called_directly=False, children=[])
    _task_stack.push(parent)
    try:
        result = child.delay()
        assert parent.request.children == [result]
    finally:
        _task_stack.pop()
        parent.pop_request()
    assert Job.objects.get().headers == {"root_id": "r", "parent_id": "p"}


def test_queues_are_those_of_celerys_routes_until_a_setting_closes_the_set(adopt, settings):
    """An open one is declared by its first job; its row stays though the job is rolled back."""
    open_ = {k: v for k, v in settings.CELERIAC.items() if k != "QUEUES"}
    settings.CELERIAC = open_
    app = adopt("acme.*", task_routes={"acme.*": "acme-fast"})
    task = app.task(name="acme.routed")(_nothing)
    task.delay()
    assert Job.objects.get().queue == "acme-fast"
    assert Queue.objects.filter(name="acme-fast").exists()
    assert "acme-fast" in queue_names()
    settings.CELERIAC = {**settings.CELERIAC, "QUEUES": {"default": {}}}
    with pytest.raises(UnknownQueue, match="acme-fast"):
        task.delay()


def test_what_is_kept_for_the_machine_alone_is_not_shown(note):
    """A page shows the arguments once, readably."""
    note.delay({"b": 1, "a": 2, "": 3})
    job = Job.objects.get()
    assert "exact" in job.args
    shown = redactor_for(job.kind, job.args).args(job.args)
    assert shown == {"args": [{"": 3, "a": 2, "b": 1}], "kwargs": {}}
