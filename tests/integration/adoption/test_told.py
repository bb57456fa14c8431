"""What Celery tells of a task beside its runs: that it came, that its process was lost, secrets."""

import json
import logging
import os
from types import SimpleNamespace
from typing import ClassVar
from uuid import UUID, uuid4

import celery
import pytest
from celery import signals, states
from celery.app import trace
from celery.backends.cache import CacheBackend
from celery.exceptions import Reject, TimeLimitExceeded, WorkerLostError
from celery.result import AsyncResult
from celery.worker import state as worker_state
from celery.worker.control import Panel
from celery.worker.request import Request

from celeriac.celery import inspecting
from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.celery.instance import WorkerInstance
from celeriac.console.admin.jobs.facts import fact_documents, fact_rows
from celeriac.console.explaining.facts import gather_facts
from celeriac.jobs import outcomes, registry
from celeriac.jobs.losses import Loss
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import capabilities
from celeriac.jobs.running.finish import settle_what_is_free
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.lost_kinds import kind_of_lost
from celeriac.jobs.running.run import Run
from celeriac.testing import drain
from tests.integration.jobs.dispatching import hire

pytestmark = pytest.mark.django_db


@pytest.fixture
def hear():
    """Return what collects what a signal says, until the test ends."""
    connected = []

    def hear(signal):
        told = []

        def note(sender=None, **facts):
            told.append(SimpleNamespace(sender=sender, **facts))

        signal.connect(note, weak=False)
        connected.append((signal, note))
        return told

    yield hear
    for signal, note in connected:
        signal.disconnect(note)


def same(x):
    """Return what is given."""
    return x


def pay(card):
    """Return what is given."""
    return card


# -- received ----------------------------------------------------------------------------------


def test_a_job_is_received_once_a_run_in_its_log_and_by_a_signal(acme, hear, caplog):
    """With its own id and arguments, as what Celery makes of a message."""
    told = hear(signals.task_received)

    @acme.task(name="acme.add")
    def add(x, y):
        return x + y

    with caplog.at_level(logging.INFO, logger="celery.worker.strategy"):
        first, other = add.delay(1, y=2), add.s(3, 4).set(argsrepr="(…)").delay()
        drain()
    assert [each.request.id for each in told] == [first.id, other.id]
    request = told[0].request
    assert isinstance(request, Request)
    assert (request.name, request.args, request.kwargs) == ("acme.add", [1], {"y": 2})
    assert request.delivery_info["routing_key"] == "default"
    assert request.task is acme.tasks["acme.add"]
    records = [each for each in caplog.records if each.name == "celery.worker.strategy"]
    assert [each.msg for each in records] == [trace.LOG_RECEIVED] * 2
    assert [each.data["args"] for each in records] == ["(1,)", "(…)"]


def test_a_receiver_of_prerun_finds_the_times_of_the_row(acme, hear):
    """Before anything of the task has run."""
    seen = []

    @acme.task(name="acme.late")
    def late():
        """Do nothing."""

    def look(task, **_):
        seen.append(task.request.expires)

    signals.task_prerun.connect(look)
    try:
        late.apply_async(expires=600)
        drain()
    finally:
        signals.task_prerun.disconnect(look)
    assert seen == [Job.objects.get().expires_at.isoformat()]


def test_a_request_has_the_properties_that_a_message_would_have(acme):
    """What its caller gave of them, and its id."""

    @acme.task(name="acme.asks", bind=True)
    def asks(self):
        return self.request.properties

    call = asks.apply_async(app_id="12", MessageGroupId="seven")
    drain()
    assert call.get() == {
        "app_id": "12",
        "MessageGroupId": "seven",
        "correlation_id": call.id,
        "priority": None,
    }


def test_a_rejected_task_is_redelivered_and_a_retried_one_is_not(acme):
    """As its message would say."""
    seen = []

    @acme.task(name="acme.rejects", bind=True, acks_late=True, max_retries=1)
    def rejects(self):
        seen.append((self.request.retries, self.request.delivery_info["redelivered"]))
        if len(seen) == 1:
            raise self.retry(countdown=0)
        if len(seen) == 2:
            raise Reject("not now", requeue=True)

    rejects.delay()
    drain(with_scheduled=True)
    assert seen == [(0, False), (1, False), (1, True)]


def test_that_it_runs_is_told_of_a_task_that_says_so(acme):
    """By `track_started`, as in Celery: else it is pending, or to be retried."""
    seen = {}

    def look(self):
        seen.setdefault(self.name, []).append(AsyncResult(self.request.id, app=acme).state)
        if not self.request.retries:
            raise self.retry(countdown=0)

    acme.task(name="acme.tracks", bind=True, track_started=True)(look).delay()
    acme.task(name="acme.silent", bind=True)(look).delay()
    drain(with_scheduled=True)
    assert seen == {"acme.tracks": ["STARTED"] * 2, "acme.silent": ["PENDING", "RETRY"]}


# -- lost --------------------------------------------------------------------------------------


class Told(celery.Task):
    """Notes its hooks."""

    noted: ClassVar = []

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        """Note it."""
        self.noted.append(("on_failure", type(exc), task_id, args, kwargs))

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        """Note it."""
        self.noted.append(("after_return", status, type(retval)))


@pytest.mark.parametrize(
    ("loss", "reason", "error"),
    [
        (Loss.CHILD, "its worker's process died", WorkerLostError),
        (Loss.WORKER, "its worker is silent", WorkerLostError),
        (Loss.OVERRUN, outcomes.OVERRAN, TimeLimitExceeded),
    ],
)
def test_a_loss_that_ends_a_job_is_told_once_as_celery_tells_it(acme, hear, loss, reason, error):
    """By the signal; and by the hooks where it overran its limit. Elsewhere nobody is told."""
    Told.noted.clear()
    told = hear(signals.task_failure)

    @acme.task(name="acme.lost", base=Told)
    def lost(x, y):
        """Be lost."""

    call = lost.delay(1, y=2)
    settle_lost([call.id], outcomes.loss(reason, loss))
    assert (call.state, told) == ("FAILURE", [])  # it is told by a worker that knows the task
    assert [run.kind for run in drain("maintenance")] == ["maintenance.tell_lost"]
    drain("maintenance")
    [one] = told
    assert (one.sender.name, one.task_id, one.args, one.kwargs) == (
        *("acme.lost", call.id, [1]),
        {"y": 2},
    )
    assert type(one.exception) is error
    assert str(one.exception) in one.einfo.traceback
    hooks = [("on_failure", error, call.id, [1], {"y": 2}), ("after_return", "FAILURE", error)]
    assert Told.noted == (hooks if loss is Loss.OVERRUN else [])


def test_a_loss_after_which_a_task_runs_again_is_no_failure(acme, hear):
    """Nor is one that its own handler had ended before."""
    told = hear(signals.task_failure)

    @acme.task(name="acme.again", acks_late=True, reject_on_worker_lost=True)
    def again():
        """Run again."""

    call = again.delay()
    settle_lost([call.id], outcomes.loss("its worker's process died", Loss.CHILD))
    drain()
    assert (call.state, told) == ("SUCCESS", [])
    assert not Job.objects.filter(kind="maintenance.tell_lost").exists()


def settle_lost(ids, outcome):
    """Claim jobs, and settle their runs as lost."""
    claim_id, jobs = uuid4(), [UUID(each) for each in ids]
    claimed = claim_jobs(jobs, claim_id=claim_id, worker=hire(), known=capabilities())
    runs = [Run(job, kind_of_lost(job.kind), claim_id) for job in claimed]
    for run in runs:
        run.decide(outcome)
    assert settle_what_is_free(runs) == []
    assert all(run.settled.state for run in runs)


# -- inspected ---------------------------------------------------------------------------------


@pytest.fixture
def inspector(tmp_path, monkeypatch):
    """Return what answers for a worker that is there, whose panel is Celery's own again after."""
    monkeypatch.setattr(inspecting, "connection", SimpleNamespace(close=bool))  # the test's own
    instance = WorkerInstance(tmp_path)
    Worker.objects.create(
        id=instance.id, name="w", host="h", pid=1, slots=1, queues=["default", "payments"]
    )
    before = dict(Panel.data)
    inspecting.install_inspecting(instance)
    yield SimpleNamespace(
        ask=lambda verb, **options: Panel.data[verb](SimpleNamespace(**STATE), **options),
        instance=instance,
    )
    Panel.data.update(before)
    worker_state.reset_state()
    instance.leave()


STATE = {
    "hostname": "w@h",
    "tset": set,
    "consumer": SimpleNamespace(timer=SimpleNamespace(schedule=SimpleNamespace(queue=[]))),
}


def message(app, name, args, **headers):
    """Return a message to a worker, as Celery holds it; as if a child had taken it."""
    body = (args, {}, {})
    facts = SimpleNamespace(delivery_info={}, properties={}, payload=body)
    told = {"id": str(uuid4()), "task": name, **headers}
    request = Request(facts, app=app, headers=told, body=body, decoded=True)
    worker_state.task_reserved(request)
    return request


def test_inspect_speaks_of_jobs_and_plain_tasks_and_not_of_doorbells(acme, inspector):
    """What runs, what is to run next, what waits for its time; and where an id is."""
    acme.task(name="acme.add")(same)
    acme.task(name="other.plain")(same)
    add = acme.tasks["acme.add"]
    runs, behind, waits = (add.apply_async((x,), task_id=f"mine {x}") for x in (1, 2, 3))
    later = add.apply_async((4,), countdown=600)
    elsewhere = add.apply_async((5,), countdown=600, queue="notifications")
    ids = {each.args["args"][0]: each.id for each in Job.objects.all()}
    doorbell = message(acme, "acme.add", [[str(ids[x]) for x in (1, 2, 3)]], **{HEADER: DOORBELL})
    plain = message(acme, "other.plain", [7])
    for each in (doorbell, plain):
        worker_state.task_accepted(each)
    claim_id, claimed = uuid4(), [ids[1], ids[2]]
    claim_jobs(claimed, claim_id=claim_id, worker=inspector.instance.id, known=capabilities())
    journal = FileJournal(inspector.instance.folder.path)
    journal.open(claim_id, claimed)
    journal.start(ids[1], None)
    active = {each["id"]: each for each in inspector.ask("active")}
    assert set(active) == {"mine 1", plain.id}
    info = active["mine 1"]
    assert (info["name"], info["args"], info["kwargs"]) == ("acme.add", [1], {})
    assert (info["worker_pid"], info["hostname"]) == (os.getpid(), "w@h")
    assert info["time_start"] == Job.objects.get(pk=ids[1]).started_at.timestamp()
    assert {each["id"] for each in inspector.ask("dump_reserved")} == {"mine 2", "mine 3"}
    [scheduled] = inspector.ask("scheduled")
    assert scheduled["request"]["id"] == later.id
    assert scheduled["eta"] == Job.objects.get(pk=later.id).run_at.isoformat()
    asked = [runs.id, behind.id, waits.id, later.id, elsewhere.id, plain.id, doorbell.id, "nobody"]
    found = inspector.ask("query_task", ids=asked)
    assert {each: told[0] for each, told in found.items()} == {
        **{"mine 1": "active", "mine 2": "reserved", "mine 3": "reserved"},
        plain.id: "active",
    }
    journal.abandon()


def test_of_several_workers_one_tells_what_waits_for_its_time(acme, inspector):
    """Or whoever adds up their answers would count it twice."""
    acme.task(name="acme.add")(same).apply_async((1,), countdown=600)
    assert len(inspector.ask("scheduled")) == 1
    older = UUID(int=0)
    Worker.objects.create(id=older, name="o", host="h", pid=2, slots=1, queues=["default"])
    assert inspector.ask("scheduled") == []


# -- a backend of its own, secrets, priorities ---------------------------------------------------


def test_a_task_with_a_backend_of_its_own_is_answered_for_by_its_row(acme):
    """And an id that is no job's by that backend."""
    own = CacheBackend(app=acme, backend="memory")

    @acme.task(name="acme.add", backend=own)
    def add(x):
        return x + 1

    call = add.delay(1)
    drain()
    assert (call.get(), Job.objects.get().result) == (2, 2)
    own.store_result("plain", "kept", states.SUCCESS)
    assert add.AsyncResult("plain").get() == "kept"
    assert AsyncResult(call.id, app=acme).get() == 2


@pytest.mark.parametrize("by_setting", [True, False])
def test_what_a_task_declares_secret_is_shown_nowhere(adopt, caplog, by_setting):
    """By place, by name or among more keywords: on pages, in errors, in logs, in `inspect`."""
    names = ["card", "result.token", "pin"]
    said = {"REDACT": {"acme.*": names, "other.*": ["x"]}} if by_setting else {}
    app = adopt("acme.*", celeriac=said)
    options = {} if by_setting else {"redact": tuple(names)}

    @app.task(name="acme.pays", **options)
    def pays(amount, card, **more):
        if amount == 2:
            raise ValueError(f"{card} is refused, {more}")
        return {"token": "tok-1", "card": card}

    with caplog.at_level(logging.INFO):
        good, bad = pays.delay(1, "4242-1"), pays.delay(2, card="4242-2", pin="9876")
        drain()
    shown = []
    for call in (good, bad):
        facts = gather_facts(Job.objects.get(pk=call.id))
        shown.append(json.dumps([fact_rows(facts), fact_documents(facts)]))
    told = [each.data for each in caplog.records if hasattr(each, "data")]
    everything = [*shown, caplog.text, json.dumps([each.get("args") for each in told])]
    assert told
    for secret in ("4242-1", "4242-2", "9876", "tok-1"):
        assert [secret in text for text in everything] == [False] * len(everything)
    assert good.get()["card"] == "4242-1"  # who called it reads what it returned


def test_a_pattern_redacts_what_a_task_takes_and_a_task_only_what_it_has(adopt):
    """A name that no task of a pattern has is no error; one that a task gives itself is."""
    app = adopt("acme.*", celeriac={"REDACT": {"acme.*": ["card", "ghost"]}})
    app.task(name="acme.pays")(pay)
    app.task(name="acme.adds")(same)
    app.finalize()
    assert registry.find_kind("acme.pays").redact == ("card",)
    assert registry.find_kind("acme.adds").redact == ()
    with pytest.raises(ValueError, match="names ghost"):
        app.task(name="acme.bad", redact=("ghost",), lazy=False)(same)


def test_a_jobs_page_shows_both_priorities(acme):
    """The ledger's, where higher runs first, and the number that its caller gave."""
    acme.task(name="acme.add")(same).apply_async((1,), priority=3)
    rows = dict(fact_rows(gather_facts(Job.objects.get())))
    assert (rows["Priority"], rows["Priority to the broker"]) == ("-3", "3")
    acme.tasks["acme.add"].delay(2)
    rows = dict(fact_rows(gather_facts(Job.objects.get(priority=0))))
    assert "Priority to the broker" not in rows
