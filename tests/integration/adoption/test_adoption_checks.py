"""System checks that speak: what adoption lacks, and what to write."""

import os
from types import SimpleNamespace

import celery
import pytest
from django.core.exceptions import ImproperlyConfigured

from celeriac.celery import Celery
from celeriac.celery.adopted import checks
from celeriac.celery.serving import can_hold_jobs, job_queues, take_own_queues
from celeriac.jobs import hosts, registry
from celeriac.jobs.checks import check_kinds
from celeriac.jobs.models import Job
from celeriac.jobs.schema import Schema
from tests import kinds


@pytest.fixture(autouse=True)
def no_apps(monkeypatch):
    """Know no app but those of the test."""
    monkeypatch.setattr(hosts, "ledger_apps", {})
    monkeypatch.setattr(checks, "ledger_apps", hosts.ledger_apps)
    monkeypatch.setattr("celeriac.celery.installing.ledger_apps", hosts.ledger_apps)


def ids(messages):
    """Return the ids of what was found."""
    return [message.id for message in messages]


def test_tasks_that_no_app_of_ours_adopts_are_reported(adopt):
    """The text says what to write."""
    adopt("acme.*", app_class=celery.Celery)
    [message] = hosts.check_ledger_app()
    assert message.id == "celeriac_jobs.E015"
    assert "from celeriac.celery import Celery" in message.hint
    adopt("acme.*")
    assert hosts.check_ledger_app() == []


def test_a_serializer_that_pickles_is_reported(acme):
    """Before the first call."""
    acme.task(name="acme.pickled", serializer="pickle")(_nothing)
    acme.finalize()
    [message] = [each for each in checks.check_adopted() if each.id == "celeriac_jobs.E016"]
    assert "acme.pickled" in message.msg


def test_eager_mode_outside_of_tests_is_reported(acme, monkeypatch):
    """Such calls write nothing."""
    acme.conf.task_always_eager = True
    assert "celeriac_jobs.W017" not in ids(checks.check_adopted())
    monkeypatch.setattr(checks, "_is_test", lambda: False)
    assert "celeriac_jobs.W017" in ids(checks.check_adopted())


def test_a_foreign_beat_without_our_pruning_is_reported(acme):
    """An entry of the project's own will do, and the ledger's kinds take it from any beat."""
    assert ids(checks.check_adopted()) == ["celeriac_jobs.W018"]
    acme.conf.beat_schedule = {"prune": {"task": "maintenance.prune", "schedule": 3600}}
    assert checks.check_adopted() == []
    acme.conf.beat_schedule = {}
    acme.conf.beat_scheduler = "celeriac.celery.beat:DatabaseScheduler"
    assert checks.check_adopted() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "who"),
    [({"celery_beat_task": True}, ""), ({"periodic_task_name": "noon"}, "beat: noon")],
)
def test_any_beat_fires_the_ledgers_own_kinds(headers, who):
    """Celery's own and django-celery-beat's put headers on whatever they send."""
    kinds.noop.apply_async((), {}, headers=headers)
    assert Job.objects.get().enqueued_by == who


def test_a_queue_that_a_closed_set_lacks_is_reported(adopt):
    """Where the router sends the task."""
    app = adopt("acme.*", task_routes={"acme.lost": "nowhere"})
    app.task(name="acme.lost")(_nothing)
    app.finalize()
    assert any("'nowhere'" in message.msg for message in check_kinds())


def test_an_annotation_that_can_not_be_read_is_named():
    """But for the result's, at which nobody looks."""

    def handler(ghost: "Ghost"):  # noqa: F821 nobody imports it
        """Nothing."""

    def fine(name: str) -> "Ghost":  # noqa: F821 nobody imports it
        """Nothing."""

    with pytest.raises(TypeError, match=r"annotation of ghost \('Ghost'\).*TYPE_CHECKING"):
        Schema.of(handler)
    assert Schema.of(fine).parameters == ("name",)


class Worker:
    """A worker that is about to start, with a pool and queues."""

    def __init__(self, app, pool, *queues):
        self.app = app
        self.pool_cls = SimpleNamespace(__module__=f"celery.concurrency.{pool}")
        app.amqp.queues.select(queues)


def test_a_worker_that_can_not_serve_its_jobs_says_what_to_write(adopt, settings):
    """One whose queues get no jobs starts as ever, with any pool."""
    settings.CELERIAC = {k: v for k, v in settings.CELERIAC.items() if k != "QUEUES"}
    app = adopt("acme.*", task_routes={"acme.*": "fast"})
    app.task(name="acme.task")(_nothing)
    app.finalize()
    assert can_hold_jobs(Worker(app, "prefork", "fast"))
    assert not can_hold_jobs(Worker(app, "gevent", "celery"))
    with pytest.raises(ImproperlyConfigured, match=r"gevent.*wait in fast: use --pool=prefork"):
        can_hold_jobs(Worker(app, "gevent", "celery", "fast"))


def test_a_worker_that_was_told_no_queues_takes_from_the_engines_own(adopt, settings):
    """Or nothing would prune, nor call back."""
    settings.CELERIAC = {k: v for k, v in settings.CELERIAC.items() if k != "QUEUES"}
    app = adopt("acme.*")
    take_own_queues(app)
    assert set(app.amqp.queues.consume_from) >= {"default", *job_queues()}
    told = Celery("told", set_as_current=False, broker=os.environ["BROKER_URL"])
    told.amqp.queues.select(["mine"])
    take_own_queues(told)
    assert set(told.amqp.queues.consume_from) == {"mine"}
    assert registry.get_kind("maintenance.prune").queue in job_queues()


def _nothing():
    """Do nothing."""
