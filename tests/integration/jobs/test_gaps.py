"""After a silence of the database: the dispatcher rings anew, beat and breakers go on."""

import pytest
from django.db import InternalError, connection
from django.utils import timezone
from psycopg.errors import ReadOnlySqlTransaction

from celeriac.breakers import database_writer as scribes
from celeriac.django_tasks import run
from celeriac.jobs.dispatching import rescue
from celeriac.jobs.dispatching.loop import DispatcherLoop
from celeriac.jobs.dispatching.nudge_listener import Listener
from celeriac.jobs.models import Job
from celeriac.jobs.nudge_message import Nudge
from celeriac.jobs.outcomes import Snooze
from celeriac.schedules import loop
from tests.app.models import Effect
from tests.integration.jobs.dispatching import Harness, hire, queued, start
from tests.support.processes import wait_until


@pytest.fixture
def harness(db):
    """Return a dispatcher in the test's hand, with one worker."""
    hire()
    return Harness()


@pytest.fixture
def server(harness):
    """Yield the loop of that dispatcher, of which each turn is the test's."""
    listener = Listener()
    server = DispatcherLoop(harness.dispatcher, listener)
    server._turn(Nudge())  # it reads who works
    yield server
    listener.close()


def turn(harness, server, after=0.05, news=False):
    """Do a turn `after` seconds later, with or without news; return the ids it rings, in order."""
    nudge = Nudge()
    if news:
        nudge.add("default", 0, 0.0)
    known = len(harness.publisher.doorbells)
    harness.clock.now += after
    server._turn(nudge)
    return [job_id for doorbell in harness.publisher.doorbells[known:] for job_id in doorbell.ids]


@pytest.mark.parametrize("gap", ["an outage", "a sleep"])
def test_a_dispatcher_forgets_its_waits_after_a_gap_of_its_own(harness, server, gap):
    """What was rung into the outage is rung at once, and no younger job overtakes it."""
    old = queued(many=3)
    assert turn(harness, server, news=True) == old
    harness.dispatcher.doorbells._rows[old[-1].int][0].again_at += 1_000  # rung often before
    assert turn(harness, server) == []
    young = queued(many=2)
    if gap == "an outage":
        harness.dispatcher.contact.lose()
    assert turn(harness, server, after=0.05 if gap == "an outage" else 30) == old + young


def test_a_dispatcher_without_a_gap_keeps_its_waits(harness, server):
    """Else each round would ring all of it again."""
    old = queued(many=3)
    assert turn(harness, server, news=True) == old
    assert [turn(harness, server, after=1.0) for _ in range(4)] == [[]] * 4


@pytest.mark.django_db
def test_a_rescue_names_the_jobs(caplog):
    """A few of many, and how many more there are."""
    jobs = queued(many=8)
    start(jobs, hire(stopped_at=timezone.now()))
    Job.objects.update(started_at=timezone.now())
    with caplog.at_level("INFO"):
        rescue.rescue_lost_runs()
    some = ", ".join(str(job_id) for job_id in jobs[:5])
    assert f"rescue: lost 8 jobs ({some} and 3 more): its worker" in caplog.text
    assert f"rescue: now queued: 8 jobs ({some}" in caplog.text


# -- who meets a reader ----------------------------------------------------------------------


@pytest.fixture
def reader(transactional_db):
    """Return a switch: whether new sessions are those of a reader."""
    name = connection.settings_dict["NAME"]

    def switch(on):
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            action = "SET default_transaction_read_only = on" if on else "RESET ALL"
            cursor.execute(f'ALTER DATABASE "{name}" {action}')
        connection.close()

    yield switch
    switch(False)


def test_a_beat_that_began_on_a_reader_writes_its_schedules_later(reader, monkeypatch):
    """It took the error for a slip in a declaration, and never tried again."""
    begun = []

    def sync():
        begun.append(True)
        Effect.objects.create(name="synchronised")
        return []

    monkeypatch.setattr(loop, "reconsider", lambda: None)
    monkeypatch.setattr(loop, "sync_schedules", sync)
    reader(True)
    beat = loop.Loop()
    beat.turn()
    reader(False)
    beat.turn()
    assert len(begun) == 2
    assert Effect.objects.count() == 1


def test_a_breakers_write_on_a_reader_is_made_on_the_writer(reader, monkeypatch):
    """It was dropped, and with it what operators see of the circuit."""
    monkeypatch.setattr(scribes, "MUTE", 0.05)
    reader(True)
    scribe = scribes.DatabaseWriter()
    scribe.write("INSERT INTO test_effect (name, at) VALUES (%s, now())", lambda: ("kept",))
    wait_until(lambda: scribe._muted_until > 0)
    reader(False)
    wait_until(Effect.objects.exists)
    wait_until(lambda: not scribe.busy)


def test_a_task_that_a_reader_keeps_from_starting_has_not_failed(monkeypatch):
    """Whatever class Django gives the error."""

    def refuse():
        raise InternalError("read-only transaction") from ReadOnlySqlTransaction()

    monkeypatch.setattr(run, "current_job", refuse)
    with pytest.raises(Snooze, match="the database was away"):
        run._start(None)
