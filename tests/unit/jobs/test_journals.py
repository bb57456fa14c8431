import time
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest

from celeriac.jobs.outcomes import Settlement
from celeriac.jobs.running import child_records
from celeriac.jobs.running.child_records import ChildJournal, ChildJournals
from celeriac.jobs.running.journals import FileJournal, JournalFull
from celeriac.jobs.running.many import turns_of_loop
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.many.turns_of_loop import LoopTurn
from celeriac.jobs.running.records import BEAT, SIZE, TURN
from celeriac.jobs.states import Verb

CLAIM = uuid4()


@pytest.fixture
def journal(tmp_path):
    """Return a child's journal."""
    journal = FileJournal(tmp_path)
    yield journal
    journal.abandon()


def read(path):
    """Return what the parent sees."""
    child = ChildJournal(path)
    trace = child.read()
    child.close()
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
def test_an_ending_is_read_as_it_was_left(journal, ended):
    """Whatever its record's form: the parent settles exactly what the child would have."""
    journal.open(CLAIM, [ended[0]])
    journal.start(ended[0], 60)
    journal.end(*ended)
    trace = read(journal.path)
    assert trace.ended == dict([ended])
    assert trace.running is None
    assert trace.claim_id == CLAIM


def test_a_started_job_is_the_running_one_until_it_ends(journal):
    """With the time until which it may run; what ended before it stays known."""
    first, second = success(), success()
    journal.open(CLAIM, [first[0], second[0]])
    journal.start(first[0], 60)
    journal.end(*first)
    journal.start(second[0], 60)
    trace = read(journal.path)
    assert trace.running == second[0]
    assert trace.running_until > 0
    assert trace.ended == dict([first])
    assert trace.ids == (first[0], second[0])


def test_a_claim_shows_nothing_of_the_one_before(journal):
    """Its records lie where others lay, which were more and as long."""
    for runs in (3, 1, 0):
        jobs = [success() for _ in range(3)]
        claim_id = uuid4()
        journal.open(claim_id, [job_id for job_id, _ in jobs])
        for job in jobs[:runs]:
            journal.start(job[0], 60)
            journal.end(*job)
        trace = read(journal.path)
        assert (trace.claim_id, trace.ids) == (claim_id, tuple(job_id for job_id, _ in jobs))
        assert trace.ended == dict(jobs[:runs])
        assert len(trace.started) == runs
        if runs == 1:  # a claim that is emptied, not closed
            continue
        journal.close()
        assert read(journal.path).claim_id is None


def test_a_record_that_does_not_fit_is_refused_whole(journal):
    """What was there before stays readable."""
    first = success()
    journal.open(CLAIM, [first[0]])
    journal.end(*first)
    with pytest.raises(JournalFull):
        journal.end(*success('"' + "x" * (1 << 20) + '"'))
    assert read(journal.path).ended == dict([first])


def test_a_slot_has_its_room_from_the_start(journal):
    """Memory of a file with holes kills whoever touches a hole when the disk is full."""
    journal.open(CLAIM, [])
    found = journal.path.stat()
    assert found.st_size == SIZE
    assert found.st_blocks * 512 >= SIZE


def test_a_journal_that_is_removed_can_be_read_by_whoever_has_it(journal):
    """The thread that settles a dead child removes what the monitor may just be reading."""
    journals = ChildJournals(journal.path.parent)
    (child,) = journals.all()
    mapped = child._map
    journals.remove(child)
    assert journals.all() == []
    child.write_looked(1.0)
    assert child.read().frozen == 1.0
    del child
    assert mapped.closed


def test_each_slot_has_records_of_its_own(tmp_path):
    """Claims that are open at the same time do not overwrite each other; the first is none's."""
    journal = FileJournal(tmp_path, slots=3)
    first, second, third = journal.slots
    one, two = success(), failure()
    first.open(CLAIM, [one[0]])
    second.open(CLAIM, [two[0]])
    third.open(uuid4(), [uuid4()])
    for slot, ended in ((first, one), (second, two)):
        assert slot.start(ended[0], 60.0)
    second.end(*two)
    third.close()
    child = ChildJournal(journal.path)
    idle, *claims = child.read_all()
    assert (idle.claim_id, idle.running, idle.blocker) == (None, None, None)
    assert [record.claim_id for record in claims] == [CLAIM, CLAIM]
    assert [record.running for record in claims] == [one[0], None]
    assert claims[1].ended == {two[0]: two[1]}
    journal.shared[TURN] = 2
    first.start_on_loop(one[0], 60.0)
    journal.shared[BEAT] = time.monotonic()
    assert {record.blocker for record in child.read_all()} == {None}  # its loop goes round
    journal.shared[BEAT] -= 2.0
    assert [record.blocker for record in child.read_all()] == [None, None, None]  # it has ended
    second.start(two[0], 60.0)
    assert [record.blocker for record in child.read_all()] == [None, two[0], None]
    child.close()
    journal.abandon()


@pytest.fixture
def loop_of_two(tmp_path):
    """Return the journal of a loop with a run past its limit in slot 1, at whose step 2 it is."""
    journal = FileJournal(tmp_path, slots=2)
    late, other = uuid4(), uuid4()
    for slot, job_id, until in zip(journal.slots, (late, other), (-0.1, 60.0), strict=True):
        slot.open(CLAIM, [job_id])
        slot.start_on_loop(job_id, time.monotonic() + until)
    journal.shared[TURN] = 2
    child = ChildJournal(journal.path)
    yield journal, child, other
    child.close()
    journal.abandon()


@pytest.mark.parametrize(
    ("beaten", "overdue"),
    [
        (0.0, False),  # it has gone round since, but whoever was ready may not have had its turn
        (-0.8, False),  # another's step holds it: whoever is ready waits for that
        (0.6, True),
        (-2.0, True),  # its step blocks it
    ],
)
def test_on_a_loop_a_limit_waits_for_a_round_of_it(loop_of_two, beaten, overdue):
    """Or for its silence; then that is the fault of who is at a step there."""
    journal, child, other = loop_of_two
    journal.shared[BEAT] = time.monotonic() + beaten
    _, late, _ = child.read_all()
    assert late.is_overdue == overdue
    assert late.blocker == (other if beaten < -1.0 else None)


def test_a_step_that_has_blocked_a_loop_ends_with_a_beat(loop_of_two, monkeypatch):
    """After the others' limits have moved, and before anybody else's step."""
    journal, _, _ = loop_of_two
    monkeypatch.setattr(turns_of_loop, "BLOCKING", -1.0)
    journal.shared[BEAT] = 0.0
    found = []

    def look(*_):
        found.append((journal.shared[BEAT], journal.shared[TURN]))

    LoopTurn(journal, look).step(SimpleNamespace(slot=RunSlot(2, None)), lambda: None)
    assert found == [(0.0, 2.0)]
    assert journal.shared[BEAT] > 0.0
    assert journal.shared[TURN] == 0.0


def test_who_is_next_on_a_loop_has_not_blocked_it(loop_of_two, monkeypatch):
    """Its step has begun while the parent read the records; the loop has not beaten yet."""
    journal, child, _ = loop_of_two
    journal.shared[BEAT] = time.monotonic() - 2.0
    plain = child_records.read_records

    def read_on(*args):
        journal.shared[TURN] = 1
        return plain(*args)

    monkeypatch.setattr(child_records, "read_records", read_on)
    _, late, _ = child.read_all()
    assert (late.is_overdue, late.blocker) == (False, None)


def test_a_slot_s_record_that_does_not_fit_is_refused(tmp_path):
    """It would overwrite its neighbour's."""
    journal = FileJournal(tmp_path, slots=2)
    first, second = journal.slots
    second.open(CLAIM, [uuid4()])
    first.open(CLAIM, [uuid4()])
    with pytest.raises(JournalFull):
        first.end(*success("x" * 20_000))
    child = ChildJournal(journal.path)
    assert len(child.read_all()) == 3
    child.close()
    journal.abandon()
