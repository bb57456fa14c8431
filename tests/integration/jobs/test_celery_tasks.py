"""`@job` as a Celery task: what writes a job, and what refuses."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from celeriac import job
from celeriac.celery.base import JobTask
from celeriac.celery.canvas import CanvasRefused
from celeriac.core import clock
from celeriac.jobs.errors import InvalidArgs, InvalidOption, JobCancelled, JobFailed, JobNotFound
from celeriac.jobs.models import Job
from config.celery import app
from tests import kinds
from tests.app.models import Effect

pytestmark = pytest.mark.django_db


def test_a_kind_is_a_celery_task_of_that_name():
    """So Flower, routing and inspection read naturally."""
    assert isinstance(app.tasks["test.note"], JobTask)
    assert app.tasks["test.note"].ignore_result


@pytest.mark.parametrize("call", ["enqueue", "delay"])
def test_delay_and_enqueue_write_a_job(call):
    """Positional arguments are named after the signature; each answers in its own words."""
    answer = getattr(kinds.note, call)("Ada", value="7")
    row = Job.objects.get()
    expected = (row.id, "queued") if call == "enqueue" else (str(row.id), "PENDING")
    assert (answer.id, answer.state) == expected
    assert row.args == {"name": "Ada", "value": "7"}


def test_apply_async_translates_its_options():
    """countdown, eta, queue, priority and expires, in the ledger's words."""
    kinds.noop.apply_async(countdown=60, queue="payments", priority=5, expires=600)
    row = Job.objects.get()
    now = clock.db_now()
    assert (row.queue, row.priority) == ("payments", 5)
    assert timedelta(seconds=50) < row.run_at - now <= timedelta(seconds=60)
    assert timedelta(seconds=590) < row.expires_at - now <= timedelta(seconds=600)
    eta = timezone.now() + timedelta(hours=1)
    kinds.noop.apply_async((3,), eta=eta.replace(tzinfo=None))
    assert Job.objects.get(args={"number": 3}).run_at == eta


@pytest.mark.parametrize("option", ["link", "task_id", "time_limit", "chord"])
def test_an_option_that_means_nothing_is_refused_with_the_alternative(option):
    """Nothing is dropped in silence."""
    with pytest.raises(InvalidOption, match=rf"test.noop.apply_async\({option}="):
        kinds.noop.apply_async(**{option: "x"})
    assert not Job.objects.exists()


@pytest.mark.parametrize("call", ["s", "si", "signature", "map", "chunks", "apply", "retry"])
def test_canvas_is_refused_with_the_alternative(call):
    """Chains and groups carry results in messages."""
    with pytest.raises(CanvasRefused, match="not for jobs of the ledger: "):
        getattr(kinds.note, call)("x")


def test_bad_arguments_are_refused_at_the_door():
    """The error names the field."""
    with pytest.raises(InvalidArgs, match="nmae"):
        kinds.note.delay(nmae="Ada")
    with pytest.raises(InvalidArgs, match="too many positional"):
        kinds.note.delay(1, 2, 3, 4)
    assert not Job.objects.exists()


def test_calling_the_task_calls_the_function():
    """As with any Celery task."""
    assert kinds.note("here") == "here"
    assert Effect.objects.get().name == "here"
    assert not Job.objects.exists()


def test_a_handle_waits_for_the_end(answer):
    """The result, or an error that says how it ended."""
    good, bad = kinds.note.enqueue("Ada"), kinds.give_up.enqueue()
    with pytest.raises(TimeoutError, match="still queued"):
        good.get(timeout=0.01)
    answer(*Job.objects.all())
    assert good.get(timeout=1) == "Ada"
    with pytest.raises(JobFailed, match="no such customer"):
        bad.get()
    Job.objects.filter(pk=bad.id).update(state="cancelled")
    with pytest.raises(JobCancelled):
        bad.get()
    Job.objects.all().delete()
    with pytest.raises(JobNotFound):
        _ = good.state
    assert kinds.note.AsyncResult(str(good.id)).handle == good


def test_an_unknown_option_of_the_decorator_says_what_was_meant():
    """Typos are found when the module is loaded."""
    with pytest.raises(TypeError, match="Did you mean 'timeout'"):
        job("test.typo", timout=3)(lambda: None)


def test_what_beat_sends_is_a_job():
    """The periodic task's name is kept as who enqueued it."""
    kinds.noop.apply_async(
        [],
        {},
        producer=None,
        periodic_task_name="every noon",
        headers={"periodic_task_name": "every noon"},
    )
    assert Job.objects.get().enqueued_by == "beat: every noon"


def test_a_naive_eta_is_utc():
    """As Celery reads it."""
    kinds.noop.apply_async(eta=datetime(2031, 1, 1, 12))
    assert Job.objects.get().run_at.isoformat() == "2031-01-01T12:00:00+00:00"
