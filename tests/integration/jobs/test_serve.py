"""The dispatcher's loop: whatever fails in a turn, the next one comes."""

from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from celeriac.jobs.dispatching.loop import DispatcherLoop
from celeriac.jobs.dispatching.periodic import PeriodicStep
from celeriac.jobs.models import Job
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.running.prepared import AnswerHook
from celeriac.settings import conf
from tests.integration.jobs.dispatching import Harness, hire, queued, start

pytestmark = pytest.mark.django_db(transaction=True)


LATER = timedelta(hours=1)


class Deaf:
    """A listener that hears nothing."""

    deaf_for = None

    def wait(self, timeout):
        """Return at once."""
        return Nudge()

    def tend(self):
        """Do nothing."""


@pytest.fixture
def served():
    """Return a desk and the server of its dispatcher."""
    harness = Harness()
    return harness, DispatcherLoop(harness.dispatcher, Deaf())


@contextmanager
def slow(clock, seconds):
    """Let every statement take so long by the desk's clock."""

    def wrapper(execute, *args):
        clock.now += seconds
        return execute(*args)

    with connection.execute_wrapper(wrapper):
        yield


def test_a_nudge_that_the_database_refuses_is_not_heard_again(served, caplog):
    """A round goes on with a look everywhere instead: what was refused once would be for ever."""
    _, server = served
    poison = Nudge(locks={"\0"})
    poison.add("default", 0, 0.0)
    heard = server._next(poison)
    assert heard == Nudge(missed=True)
    assert "a round failed" in caplog.text
    assert server._next(heard) == Nudge()


def test_whatever_a_round_raises_the_loop_goes_on(served, monkeypatch, caplog):
    """Not the database's errors alone."""
    harness, server = served
    monkeypatch.setattr(harness.dispatcher, "run_round", lambda nudge: 1 / 0)
    assert server._next(Nudge()) == Nudge(missed=True)
    assert "ZeroDivisionError" in caplog.text


def test_a_duty_that_fails_keeps_no_other_from_its_turn(served, caplog):
    """Not the rescue behind it, nor the next round's nudges."""
    _, server = served
    done = []
    server._steps = (PeriodicStep(lambda: 1 / 0, 1.0), PeriodicStep(lambda: done.append(1), 1.0))
    assert server._next(Nudge()) == Nudge()
    assert done == [1]
    assert "a periodic step failed" in caplog.text


def test_a_nudge_is_kept_while_the_database_is_away(served):
    """It says what to ring when the database is back."""
    _, server = served
    nudge = Nudge()
    nudge.add("default", 3, 5.0)

    def gone(execute, *args):
        connection.connection.close()
        return execute(*args)

    with connection.execute_wrapper(gone):
        assert server._next(nudge) == nudge
    assert server._next(nudge) == Nudge()


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_lost_jobs_are_rescued_over_a_slow_database(served, settings, seconds):
    """Each answer is contact: a round of many statements takes longer than a gap may."""
    harness, server = served
    (job_id,) = queued()
    start([job_id], uuid4())
    Job.objects.filter(pk=job_id).update(started_at=timezone.now() - timedelta(hours=1))
    with slow(harness.clock, seconds), connection.execute_wrapper(AnswerHook(server._touch)):
        deadline = harness.clock.now + 10 * conf.WORKER_LEASE_SECONDS
        while Job.objects.filter(pk=job_id, state="running").exists():
            assert harness.clock.now < deadline, "nobody was rescued"
            server._next(Nudge())


def test_a_rescue_that_must_wait_says_so_once(served, settings, caplog):
    """An operator reads why lost jobs stay; and when they no longer do."""
    harness, server = served
    gap = harness.dispatcher.contact.longest_gap + 1
    with slow(harness.clock, gap), connection.execute_wrapper(AnswerHook(server._touch)):
        for _ in range(20):
            server._next(Nudge())
    assert caplog.text.count("rescue waits: contact broken") == 1


@pytest.mark.parametrize("count", [5, 300])
def test_a_turn_at_rest_costs_as_many_statements_for_many_queues_as_for_few(settings, count):
    """And looks at none of them: the workers' crews are shared, and nothing is known to wait."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "QUEUES": {f"queue-{number}": {} for number in range(count)},
    }
    hire(queues=list(conf.QUEUES), slots=4)
    hire(queues=list(conf.QUEUES), slots=4)
    harness = Harness()
    server = DispatcherLoop(harness.dispatcher, Deaf())
    server._next(Nudge(missed=True))
    harness.clock.now += 5
    looks = []
    harness.dispatcher._select = looks.append
    with CaptureQueriesContext(connection) as captured:
        assert server._next(Nudge()) == Nudge()
    assert len(captured) <= 14
    assert looks == []
    assert len(harness.dispatcher.cursors) == count
    assert (
        len({id(queue_workers) for queue_workers in harness.dispatcher.workers.by_queue.values()})
        == 1
    )
    assert (
        len({id(queue_cursor.kinds) for queue_cursor in harness.dispatcher.cursors.values()}) == 1
    )


def asked_in_a_turn(harness, server):
    """Return the statements of one turn, a second after the last."""
    harness.clock.now += 1.0
    with CaptureQueriesContext(connection) as asked:
        server._turn(Nudge())
    return [query["sql"] for query in asked]


def test_a_turn_asks_little_where_nothing_is_there(served):
    """Half of a platform at rest was planning what found nothing."""
    harness, server = served
    hire(kinds=["test.noop"])
    server._turn(Nudge(missed=True))
    asked = asked_in_a_turn(harness, server)
    assert len(asked) <= 7
    assert not [each for each in asked if "WITH expired" in each or "previous_beat_at" in each]


def test_what_runs_or_is_late_is_looked_after_in_the_next_turn(served):
    """The glance hides nothing: a lost run is rescued, a late job expires."""
    harness, server = served
    hire(kinds=["test.noop"])
    server._turn(Nudge(missed=True))
    (late,) = queued(
        expires_at=timezone.now() - timedelta(seconds=1), run_at=timezone.now() + LATER
    )
    (gone,) = queued()
    start([gone], uuid4())
    Job.objects.filter(pk=gone).update(started_at=timezone.now() - timedelta(hours=1))
    for _ in range(int(conf.WORKER_LEASE_SECONDS) + 2):
        harness.clock.now += 1.0
        server._turn(Nudge())
    assert Job.objects.get(pk=late).state == "cancelled"
    assert Job.objects.get(pk=gone).losses == 1
