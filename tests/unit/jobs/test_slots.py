from dataclasses import replace
from uuid import uuid4

import pytest

from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running.records import SIZE
from celeriac.jobs.running.slots import FileSlot, SlotFull
from celeriac.jobs.running.wards import Ward
from celeriac.jobs.states import Verb

CLAIM = uuid4()


@pytest.fixture
def slot(tmp_path):
    """Return a child's slot."""
    slot = FileSlot(tmp_path)
    yield slot
    slot.abandon()


def read(path):
    """Return what the parent sees."""
    ward = Ward(path)
    trace = ward.read()
    ward.close()
    return trace


def success(result=None, **changes):
    """Return a job's id and the settlement of a run that succeeded."""
    settlement = Settlement(Verb.COMPLETE, result=result, started=0.25, seconds=1e-6)
    return uuid4(), replace(settlement, **changes)


def failure():
    """Return a job's id and the settlement of a run that failed."""
    words = {"error_class": "ValueError", "message": "no\nsuch", "traceback": "…"}
    facts = {"delay": 3.5, "failures": 1, "error": "no", "writes_attempt": True}
    return uuid4(), Settlement(Verb.RETRY, **facts, **words, started=0.5, seconds=2.0)


@pytest.mark.parametrize(
    "ended",
    [
        success(),
        success('{"é": 1}'),
        success("null"),
        success(writes_attempt=True),
        success(message="its result was dropped"),
        success(started=None, seconds=None),
        failure(),
    ],
    ids=["bare", "result", "null", "later attempt", "message", "untimed", "failure"],
)
def test_an_ending_is_read_as_it_was_left(slot, ended):
    """Whatever its record's form: the parent settles exactly what the child would have."""
    slot.open(CLAIM, [ended[0]])
    slot.start(ended[0], 60)
    slot.end(*ended)
    trace = read(slot.path)
    assert trace.ended == dict([ended])
    assert trace.running is None
    assert trace.claim_id == CLAIM


def test_a_started_job_is_the_running_one_until_it_ends(slot):
    """With the time until which it may run; what ended before it stays known."""
    first, second = success(), success()
    slot.open(CLAIM, [first[0], second[0]])
    slot.start(first[0], 60)
    slot.end(*first)
    slot.start(second[0], 60)
    trace = read(slot.path)
    assert trace.running == second[0]
    assert trace.running_until > 0
    assert trace.ended == dict([first])
    assert trace.ids == (first[0], second[0])


def test_a_record_that_does_not_fit_is_refused_whole(slot):
    """What was there before stays readable."""
    first = success()
    slot.open(CLAIM, [first[0]])
    slot.end(*first)
    with pytest.raises(SlotFull):
        slot.end(*success('"' + "x" * (1 << 20) + '"'))
    assert read(slot.path).ended == dict([first])


def test_a_slot_has_its_room_from_the_start(slot):
    """Memory of a file with holes kills whoever touches a hole when the disk is full."""
    slot.open(CLAIM, [])
    found = slot.path.stat()
    assert found.st_size == SIZE
    assert found.st_blocks * 512 >= SIZE
