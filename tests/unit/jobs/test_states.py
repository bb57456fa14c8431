"""The table of a job's life."""

import pytest
from hypothesis import given, strategies as st

from celeriac.jobs import states
from celeriac.jobs.states import EDGES, TERMINAL, Counters, State, Verb

#: DESIGN's table once more, by hand.
EXPECTED = {
    State.WAITING: {"unblock": "queued", "cancel": "cancelled"},
    State.QUEUED: {"claim": "running", "cancel": "cancelled", "expire": "cancelled"},
    State.RUNNING: {
        "complete": "succeeded",
        "retry": "queued",
        "snooze": "queued",
        "release": "queued",
        "rescue": "queued",
        "give_up": "dead",
        "stop": "cancelled",
        "supersede": "cancelled",
    },
    State.SUCCEEDED: {},
    State.DEAD: {"revive": "queued"},
    State.CANCELLED: {"revive": "queued", "reopen": "waiting"},
}


@pytest.mark.parametrize("state", State)
def test_each_state_has_exactly_its_edges(state):
    """No more and no less than the design says."""
    found = {
        str(verb): str(states.after(state, verb)) for verb in Verb if states.allows(state, verb)
    }
    assert found == EXPECTED[state]


def test_a_job_begins_by_being_enqueued_only():
    """Nothing else leads out of nowhere."""
    begins = [verb for verb in Verb if states.allows(None, verb)]
    assert begins == [Verb.ENQUEUE, Verb.ENQUEUE_BEHIND]
    assert states.after(None, Verb.ENQUEUE) is State.QUEUED
    assert states.after(None, Verb.ENQUEUE_BEHIND) is State.WAITING


def test_what_has_ended_is_moved_by_a_revival_only():
    """Its own, or that of what it was cancelled for; and a success by nothing."""
    for (state, verb), _ in EDGES.items():
        assert state not in TERMINAL or verb in (Verb.REVIVE, Verb.REOPEN)
    assert not any(states.allows(State.SUCCEEDED, verb) for verb in Verb)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("verb", Verb)
def test_an_edge_that_is_not_there_is_an_error(state, verb):
    """Never a guess."""
    if states.allows(state, verb):
        assert states.after(state, verb) in State
    else:
        with pytest.raises(KeyError):
            states.after(state, verb)


@given(st.lists(st.sampled_from(list(Verb))))
def test_counters_never_count_what_was_not_the_jobs_fault(verbs):
    """Failures by failures, losses by losses, attempts by runs that started."""
    counters = Counters()
    for verb in verbs:
        counters = states.count(counters, verb)
    since = verbs[len(verbs) - verbs[::-1].index(Verb.REVIVE) :] if Verb.REVIVE in verbs else verbs
    assert counters.attempt == verbs.count(Verb.CLAIM) - verbs.count(Verb.RELEASE)
    assert counters.failures == since.count(Verb.RETRY)
    assert counters.losses == since.count(Verb.RESCUE)


@pytest.mark.parametrize("verb", Verb)
def test_a_requested_cancel_overtakes_every_ending_but_success(verb):
    """Work that is done stays done."""
    expected = verb if verb is Verb.COMPLETE else Verb.STOP
    assert states.overtaken_by_cancel(verb, cancel_requested=True) is expected
    assert states.overtaken_by_cancel(verb, cancel_requested=False) is verb


@pytest.mark.parametrize(
    ("state", "due", "attempt", "parked", "name"),
    [
        (State.QUEUED, True, 0, False, "queued"),
        (State.QUEUED, False, 0, False, "scheduled"),
        (State.QUEUED, False, 2, False, "retrying"),
        (State.QUEUED, True, 2, True, "parked"),
        (State.RUNNING, True, 1, True, "running"),
        (State.DEAD, True, 1, False, "dead"),
    ],
)
def test_people_call_a_queued_job_by_what_it_waits_for(state, due, attempt, parked, name):
    """The views of DESIGN."""
    assert states.view(state, due=due, attempt=attempt, parked=parked) == name
