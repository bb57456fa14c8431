"""The dispatcher's memory of what it rang."""

from uuid import uuid4

import pytest

from celeriac.jobs.dispatching.pending_doorbells import (
    Doorbell,
    PendingDoorbell,
    PendingDoorbells,
    ProbeResult,
)


def pending(*ids, queue="default", seconds=1.0, locks=(), again_at=5.0, version="7"):
    """Return a bell of these ids."""
    return PendingDoorbell(
        doorbell=Doorbell("test.kind", queue, tuple(ids)),
        versions=(version,) * len(ids),
        locks=tuple(locks),
        seconds=seconds,
        again_at=again_at,
    )


@pytest.fixture
def ids():
    """Return four ids."""
    return [uuid4() for _ in range(4)]


def hear(doorbells, queued):
    """Let the ledger say which probes are still queued."""
    return doorbells.settle(doorbells.probes(each=10), queued, now=0.0)


def test_a_bell_waits_while_its_last_job_is_queued_as_it_was_rung(ids):
    """Same version, due."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids))
    assert hear(doorbells, {ids[-1]: ProbeResult("7", True)}) == 0
    assert all(doorbells.knows(job_id, "7") for job_id in ids)
    assert doorbells.seconds("default") == 1.0


@pytest.mark.parametrize("answer", [None, ProbeResult("8", True), ProbeResult("7", False)])
def test_a_bell_is_answered_when_its_last_job_was_claimed_even_if_it_came_back(ids, answer):
    """Gone, changed, or put off."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids, locks=["a"]))
    assert hear(doorbells, {ids[-1]: answer} if answer else {}) == 1
    assert not any(doorbells.knows(job_id, "7") for job_id in ids)
    assert not doorbells.holds("a")
    assert (len(doorbells), doorbells.seconds("default"), doorbells.count(["default"])) == (
        0,
        0.0,
        0,
    )


def test_a_job_that_changed_since_is_not_known(ids):
    """It may be rung at once."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids))
    assert not doorbells.knows(ids[0], "8")


def test_a_bell_that_waited_too_long_is_given_back_once(ids):
    """With its ids, to be rung again."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids, again_at=5.0))
    assert list(doorbells.overdue(4.9)) == []
    assert [each.doorbell.ids for each in doorbells.overdue(5.0)] == [tuple(ids)]
    assert list(doorbells.overdue(9.0)) == []


def test_a_bell_that_is_still_to_come_is_not_late_while_answers_come(ids):
    """The broker hands out one after the other: rung again, it would stand there twice."""
    doorbells = PendingDoorbells()
    for job_id in ids:
        doorbells.add(pending(job_id, again_at=5.0))
    doorbells.settle({ids[1]: doorbells.probes(each=4)[ids[1]]}, {}, now=8.0)
    assert [each.probe for each in doorbells.overdue(9.0)] == [ids[0]]  # passed, so it was lost
    assert list(doorbells.overdue(12.9)) == []
    assert [each.probe for each in doorbells.overdue(13.0)] == [ids[2], ids[3]]


def test_a_newer_bell_takes_over_the_jobs_of_an_older_one(ids):
    """The older one's answer does not forget them."""
    doorbells = PendingDoorbells()
    first, second = pending(ids[0], ids[1]), pending(ids[0], ids[2])
    doorbells.add(first)
    doorbells.add(second)
    assert hear(doorbells, {ids[2]: ProbeResult("7", True)}) == 1
    assert doorbells.knows(ids[0], "7")
    assert not doorbells.knows(ids[1], "7")


def test_the_same_bell_again_counts_once(ids):
    """Its work is not there twice."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids))
    doorbells.add(pending(*ids))
    assert (doorbells.seconds("default"), doorbells.count(["default"])) == (1.0, 1)


def test_queues_are_forgotten_apart(ids):
    """A lost lease or a pause."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(ids[0], queue="a"))
    doorbells.add(pending(ids[1], queue="b"))
    doorbells.forget("a")
    doorbells.forget("nobody")
    assert not doorbells.knows(ids[0], "7")
    assert doorbells.knows(ids[1], "7")
    assert doorbells.count(["a", "b"]) == 1


def test_probes_are_the_oldest_of_each_queue(ids):
    """So that one queue's many bells hide no other's."""
    doorbells = PendingDoorbells()
    for job_id in ids[:3]:
        doorbells.add(pending(job_id, queue="a"))
    doorbells.add(pending(ids[3], queue="b"))
    assert list(doorbells.probes(each=2)) == [ids[0], ids[1], ids[3]]


def test_a_freed_lock_is_free_though_its_bell_waits(ids):
    """The holder's settle said so."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(ids[0], locks=["a"]))
    doorbells.free(["a", "b"])
    assert not doorbells.holds("a")


def test_an_overlooked_job_may_ring_at_once(ids):
    """A unique hit's commit."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids))
    doorbells.overlook(ids[0])
    assert not doorbells.knows(ids[0], "7")
    assert doorbells.knows(ids[1], "7")


def test_the_rest_of_a_bell_is_not_forgotten_when_its_probe_is_rung_anew(ids):
    """Its last job came back and rings alone: the others still wait for an answer."""
    doorbells = PendingDoorbells()
    doorbells.add(pending(*ids, seconds=4.0, again_at=5.0))
    doorbells.overlook(ids[3])
    doorbells.add(pending(ids[3], version="8", again_at=9.0))
    assert all(doorbells.knows(job_id, "7") for job_id in ids[:3])
    assert (doorbells.count(["default"]), doorbells.seconds("default")) == (2, 4.0)
    assert [each.doorbell.ids for each in doorbells.overdue(5.0)] == [tuple(ids[:3])]
    assert hear(doorbells, {}) == 1
    assert (len(doorbells), doorbells.count(["default"])) == (0, 0)
