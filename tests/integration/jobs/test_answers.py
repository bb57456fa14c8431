"""What lives, answers: who is asked, when, and who is called silent."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from celeriac.celery.publisher import CeleryPublisher
from celeriac.console.dashboard import attention, processes
from celeriac.console.doctor import platform
from celeriac.jobs.dispatching import answer_checks
from celeriac.jobs.dispatching.answer_checks import Canaries
from celeriac.jobs.dispatching.pending_doorbells import RingFailed
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.models import Dispatcher, Queue, Worker
from celeriac.jobs.operating.unresponsive import unresponsive_processes
from celeriac.monitoring import health
from tests.integration.jobs.dispatching import Clock, hire, queued, start

pytestmark = pytest.mark.django_db


class Asker:
    """A publisher that notes whom it asks, or fails."""

    def __init__(self):
        """Note nothing yet."""
        self.asked, self.fails = [], False

    def ask(self, canaries):
        """Take note."""
        if self.fails:
            raise RingFailed("no broker", uncertain=False)
        self.asked += canaries


def ago(seconds):
    """Return a moment before now."""
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def asker():
    """Return a publisher."""
    return Asker()


@pytest.fixture
def canaries(asker):
    """Return what asks through it."""
    queues.make_queue_rows()
    me = uuid4()
    Queue.objects.filter(name="default").update(holder=me)
    return Canaries(me, asker, Clock())


def quiet(answered=60, **columns):
    """Write a worker that was last answered so long ago; return its id."""
    worker = hire(canary="nest", answered_at=ago(answered) if answered else None, **columns)
    Worker.objects.filter(pk=worker).update(started_at=ago(600))
    return worker


def test_a_quiet_worker_is_asked_and_not_again_at_once(canaries, asker):
    """Once, then every few seconds while it says nothing."""
    worker = quiet()
    assert canaries.send() == 1
    assert canaries.send() == 0
    first = Worker.objects.get(pk=worker).asked_at
    canaries.clock.now += answer_checks.AGAIN + 0.1
    assert canaries.send() == 1
    assert Worker.objects.get(pk=worker).asked_at == first
    assert asker.asked == ["nest", "nest"]


def test_who_has_answered_is_busy_or_can_not_be_asked_is_left_alone(canaries):
    """There is nothing to learn, or nobody free to say it."""
    quiet(answered=3)
    hire(canary="")
    quiet(queues=["payments"])
    start(queued(), quiet(slots=1))
    Worker.objects.filter(pk=quiet()).update(beat_at=ago(300))
    Worker.objects.filter(pk=quiet()).update(stopped_at=ago(1))
    assert canaries.send() == 0


def test_one_that_never_answered_is_asked_some_time_after_its_start(canaries):
    """It had nothing to answer until now."""
    worker = quiet(answered=None)
    assert canaries.send() == 1
    Worker.objects.filter(pk=worker).update(started_at=ago(1), asked_at=None)
    canaries.clock.now += 60
    assert canaries.send() == 0


def test_without_a_broker_nobody_is_called_silent(canaries, asker):
    """Nobody was asked."""
    worker = quiet()
    asker.fails = True
    assert canaries.send() == 0
    assert Worker.objects.get(pk=worker).asked_at is None


@pytest.fixture
def held():
    """Let a dispatcher hold every queue."""
    queues.make_queue_rows()
    Queue.objects.update(holder=uuid4(), lease_until=ago(-600))


def everywhere():
    """Return what /readyz, the doctor and the dashboard say."""
    found = unresponsive_processes()
    page = {"silent": processes.silent_processes(timezone.now())}
    return (
        [part.ok for part in (health.dispatcher_part(found), health.workers_part(found))],
        [each.level for each in platform.check_answers()],
        [each["level"] for each in attention._silent(page)],
    )


def test_a_worker_that_beats_and_answers_nothing_is_seen_everywhere(held):
    """Though its heart beats: it was asked, long enough ago."""
    worker = quiet()
    Worker.objects.filter(pk=worker).update(asked_at=ago(30))
    assert everywhere() == ([True, False], ["error"], ["danger"])
    Worker.objects.filter(pk=worker).update(answered_at=ago(29))
    assert everywhere() == ([True, True], ["ok"], [])
    Worker.objects.filter(pk=worker).update(asked_at=ago(4))
    assert everywhere() == ([True, True], ["ok"], [])


@pytest.mark.parametrize("failing", ["mute", "deaf", "idle"])
def test_a_dispatcher_that_can_not_ring_hear_or_rescue_is_seen_everywhere(failing, held):
    """Though it holds its queues."""
    me, well = uuid4(), {"rang": 1.0, "mute": None, "deaf": None, "idle": None}
    quiet(answered=1)
    answer_checks.write_answers(me, "here:1", **well | {failing: 30.0})
    assert everywhere() == ([False, True], ["error"], ["danger"])
    answer_checks.write_answers(me, "here:1", **well | {failing: 2.0})
    assert everywhere() == ([True, True], ["ok"], [])
    answer_checks.delete_answers(me)
    assert not Dispatcher.objects.exists()


def test_a_canary_that_nobody_takes_vanishes(broker):
    """A worker that is gone leaves nothing in the broker."""
    publisher = CeleryPublisher()
    publisher.ask(["celeriac:canary:gone"])
    assert 0 < broker.ttl("celeriac:canary:gone") <= 30
    publisher.close()


def test_readyz_shows_circuits_and_fails_for_none(settings):
    """What is open is somebody else's outage."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"payments": {}}}
    part = health.circuit_parts()
    assert part.ok
    assert "payments closed (0 failures)" in part.says
