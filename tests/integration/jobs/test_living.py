"""Whether a worker, a dispatcher or a beat lives is one rule: everybody says the same."""

from datetime import timedelta
from uuid import uuid4

import pytest

from celeriac.console.dashboard import processes
from celeriac.console.doctor import platform
from celeriac.console.explaining.facts import gather_facts
from celeriac.core import clock
from celeriac.core.clock import Now
from celeriac.jobs.dispatching import live_workers
from celeriac.jobs.models import Dispatcher, Queue, Worker
from celeriac.jobs.models.worker import Sign
from celeriac.monitoring import health
from celeriac.schedules.models import Beat
from celeriac.settings import conf
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker():
    """Make a worker that last beat longer ago than its lease, as one whose row is locked."""
    ago = clock.db_now() - timedelta(seconds=conf.WORKER_LEASE_SECONDS + 1)
    return Worker.objects.create(
        name="w@h", host="h", pid=1, queues=["default"], kinds=["test.note"], slots=3, beat_at=ago
    )


def seen(worker):
    """Return who calls the worker alive."""
    (row,) = processes.show_workers(processes.recent_workers(), clock.db_now())
    return {
        "queryset": Worker.objects.living().exists(),
        "dispatcher": live_workers.read_workers().of_queue("default").slots == 3,
        "health": bool(health.workers_part().ok),
        "dashboard": row["alive"],
        "page": [each.name for each in gather_facts(JobFactory()).living_workers] == ["w@h"],
        "doctor": "default" not in " ".join(str(each) for each in platform.check_workers()),
    }


@pytest.mark.parametrize("signed", [False, True], ids=["silent", "signed"])
def test_everybody_says_the_same_of_a_worker(worker, signed):
    """A sign of life counts for all: also where a lock kept the beat from the worker's row."""
    if signed:
        Sign.objects.create(worker=worker.id)
    assert set(seen(worker).values()) == {signed}
    assert Worker.objects.silent(timedelta(hours=1)).exists() is not signed
    assert not Worker.objects.beating().exists()


def test_one_that_stopped_lives_no_more(worker):
    """However fresh its beat is."""
    Worker.objects.update(beat_at=Now())
    assert Worker.objects.living().exists()
    Worker.objects.update(stopped_at=Now())
    assert not Worker.objects.living().exists()
    assert not Worker.objects.silent(timedelta(hours=1)).exists()


def test_a_dispatcher_and_a_beat_live_by_the_same_rule():
    """Within the lease of each."""
    Dispatcher.objects.create(id=uuid4(), name="d")
    beat = Beat.objects.create(host="h", pid=1)
    assert (Dispatcher.objects.living().count(), Beat.objects.living().count()) == (1, 1)
    with clock.offset_clock(timedelta(seconds=conf.QUEUE_LEASE_SECONDS + 1)):
        assert not Dispatcher.objects.living().exists()
    with clock.offset_clock(timedelta(seconds=conf.SCHEDULES_BEAT_LEASE_SECONDS + 1)):
        assert not Beat.objects.living().exists()
    Beat.objects.filter(pk=beat.pk).update(stopped_at=Now())
    assert not Beat.objects.living().exists()


def test_a_queue_says_whether_it_is_paused_and_served():
    """By the database's clock."""
    now = clock.db_now()
    Queue.objects.filter(name="default").update(
        paused_at=now, paused_until=now + timedelta(minutes=1), lease_until=now
    )
    row = Queue.objects.with_state().get(name="default")
    assert (row.is_paused, row.is_served) == (True, False)
    assert [each.name for each in Queue.objects.paused()] == ["default"]
    with clock.offset_clock(timedelta(minutes=2)):
        assert not Queue.objects.paused().exists()
    with clock.offset_clock(timedelta(minutes=-2)):
        assert [each.name for each in Queue.objects.served()] == ["default"]
