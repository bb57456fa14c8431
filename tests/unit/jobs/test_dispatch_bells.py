"""The dispatcher's memory of what it rang."""

from uuid import uuid4

import pytest

from celeriac.jobs.dispatching.bells import Answer, Bell, Bells, Rung


def rung(*ids, queue="default", seconds=1.0, locks=(), again_at=5.0, version="7"):
    """Return a bell of these ids."""
    return Rung(
        bell=Bell("test.kind", queue, tuple(ids)),
        versions=(version,) * len(ids),
        locks=tuple(locks),
        seconds=seconds,
        again_at=again_at,
    )


@pytest.fixture
def ids():
    """Return four ids."""
    return [uuid4() for _ in range(4)]


def hear(bells, queued):
    """Let the ledger say which probes are still queued."""
    return bells.settle(bells.probes(each=10), queued, now=0.0)


def test_a_bell_waits_while_its_last_job_is_queued_as_it_was_rung(ids):
    """Same version, due."""
    bells = Bells()
    bells.add(rung(*ids))
    assert hear(bells, {ids[-1]: Answer("7", True)}) == 0
    assert all(bells.knows(job_id, "7") for job_id in ids)
    assert bells.seconds("default") == 1.0


@pytest.mark.parametrize("answer", [None, Answer("8", True), Answer("7", False)])
def test_a_bell_is_answered_when_its_last_job_was_claimed_even_if_it_came_back(ids, answer):
    """Gone, changed, or put off."""
    bells = Bells()
    bells.add(rung(*ids, locks=["a"]))
    assert hear(bells, {ids[-1]: answer} if answer else {}) == 1
    assert not any(bells.knows(job_id, "7") for job_id in ids)
    assert not bells.holds("a")
    assert (len(bells), bells.seconds("default"), bells.count(["default"])) == (0, 0.0, 0)


def test_a_job_that_changed_since_is_not_known(ids):
    """It may be rung at once."""
    bells = Bells()
    bells.add(rung(*ids))
    assert not bells.knows(ids[0], "8")


def test_a_bell_that_waited_too_long_is_given_back_once(ids):
    """With its ids, to be rung again."""
    bells = Bells()
    bells.add(rung(*ids, again_at=5.0))
    assert list(bells.overdue(4.9)) == []
    assert [each.bell.ids for each in bells.overdue(5.0)] == [tuple(ids)]
    assert list(bells.overdue(9.0)) == []


def test_a_bell_that_is_still_to_come_is_not_late_while_answers_come(ids):
    """The broker hands out one after the other: rung again, it would stand there twice."""
    bells = Bells()
    for job_id in ids:
        bells.add(rung(job_id, again_at=5.0))
    bells.settle({ids[1]: bells.probes(each=4)[ids[1]]}, {}, now=8.0)
    assert [each.probe for each in bells.overdue(9.0)] == [ids[0]]  # passed, so it was lost
    assert list(bells.overdue(12.9)) == []
    assert [each.probe for each in bells.overdue(13.0)] == [ids[2], ids[3]]


def test_a_newer_bell_takes_over_the_jobs_of_an_older_one(ids):
    """The older one's answer does not forget them."""
    bells = Bells()
    first, second = rung(ids[0], ids[1]), rung(ids[0], ids[2])
    bells.add(first)
    bells.add(second)
    assert hear(bells, {ids[2]: Answer("7", True)}) == 1
    assert bells.knows(ids[0], "7")
    assert not bells.knows(ids[1], "7")


def test_the_same_bell_again_counts_once(ids):
    """Its work is not there twice."""
    bells = Bells()
    bells.add(rung(*ids))
    bells.add(rung(*ids))
    assert (bells.seconds("default"), bells.count(["default"])) == (1.0, 1)


def test_queues_are_forgotten_apart(ids):
    """A lost lease or a pause."""
    bells = Bells()
    bells.add(rung(ids[0], queue="a"))
    bells.add(rung(ids[1], queue="b"))
    bells.forget("a")
    bells.forget("nobody")
    assert not bells.knows(ids[0], "7")
    assert bells.knows(ids[1], "7")
    assert bells.count(["a", "b"]) == 1


def test_probes_are_the_oldest_of_each_queue(ids):
    """So that one queue's many bells hide no other's."""
    bells = Bells()
    for job_id in ids[:3]:
        bells.add(rung(job_id, queue="a"))
    bells.add(rung(ids[3], queue="b"))
    assert list(bells.probes(each=2)) == [ids[0], ids[1], ids[3]]


def test_a_freed_lock_is_free_though_its_bell_waits(ids):
    """The holder's settle said so."""
    bells = Bells()
    bells.add(rung(ids[0], locks=["a"]))
    bells.free(["a", "b"])
    assert not bells.holds("a")


def test_an_overlooked_job_may_ring_at_once(ids):
    """A unique hit's commit."""
    bells = Bells()
    bells.add(rung(*ids))
    bells.overlook(ids[0])
    assert not bells.knows(ids[0], "7")
    assert bells.knows(ids[1], "7")


def test_the_rest_of_a_bell_is_not_forgotten_when_its_probe_is_rung_anew(ids):
    """Its last job came back and rings alone: the others still wait for an answer."""
    bells = Bells()
    bells.add(rung(*ids, seconds=4.0, again_at=5.0))
    bells.overlook(ids[3])
    bells.add(rung(ids[3], version="8", again_at=9.0))
    assert all(bells.knows(job_id, "7") for job_id in ids[:3])
    assert (bells.count(["default"]), bells.seconds("default")) == (2, 4.0)
    assert [each.bell.ids for each in bells.overdue(5.0)] == [tuple(ids[:3])]
    assert hear(bells, {}) == 1
    assert (len(bells), bells.count(["default"])) == (0, 0)
