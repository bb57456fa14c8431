"""How a run ended, and what that makes of the job."""

import json
from dataclasses import replace

import pytest

from celeriac.jobs import deciding, outcomes, registry
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.losses import ANY_LOSS, Loss
from celeriac.jobs.outcomes import Cancelled, GiveUp, Retry, Settlement, Snooze
from celeriac.jobs.states import Verb

RETRY = Backoff(max_attempts=3, base=1, cap=60, floor=1, give_up_on=(LookupError,))
KIND = replace(registry.get_or_default("test.kind"), retry=RETRY, max_losses=2)
#: Failures, losses and max_attempts of a job.
FRESH, WORN = (0, 0, 3), (2, 1, 3)


class Throttled(Exception):
    """A provider that says when to come back."""

    def __init__(self, retry_after):
        super().__init__("slow down")
        self.retry_after = retry_after


def settlement(error, limits=FRESH):
    """Return what a raised error makes of a job."""
    return deciding.decide_settlement(outcomes.observe_error(error, RETRY), KIND, 1, *limits)


def test_a_failure_is_retried_and_counted():
    """With its error as one line."""
    found = settlement(ValueError("no such\ncustomer"))
    assert (found.verb, found.failures, found.losses) == (Verb.RETRY, 1, 0)
    assert found.error == "ValueError: no such customer"
    assert found.writes_attempt
    assert 1 <= found.delay <= 60


@pytest.mark.parametrize(
    ("error", "limits"), [(ValueError(), WORN), (KeyError(), FRESH), (GiveUp("never"), FRESH)]
)
def test_the_last_failure_or_a_hopeless_one_is_the_end(error, limits):
    """It is counted all the same."""
    found = settlement(error, limits)
    assert (found.verb, found.failures) == (Verb.GIVE_UP, 1)


def test_a_snooze_is_no_failure():
    """It waits as long as it said, and leaves no Attempt."""
    assert settlement(Snooze(30, "not yet"), WORN) == Settlement(
        Verb.SNOOZE, delay=30, wait_reason="not yet"
    )
    assert Snooze(-5).seconds == 0
    assert Snooze(1e300).seconds < 1e9


def test_a_reason_may_be_an_error_and_a_cause_must_be_one():
    """Whatever is given is read when the run ends, where a slip would cost the run its ending."""
    assert settlement(Snooze(1, KeyError("busy"))).wait_reason == "'busy'"
    with pytest.raises(TypeError, match="give the error itself"):
        Retry(cause="busy")


@pytest.mark.parametrize("seconds", [float("inf"), float("-inf"), float("nan")])
def test_an_endless_wait_is_refused_where_it_is_written(seconds):
    """Not by the statement that settles the run, which knows nothing of the handler."""
    for wish in (Snooze, Retry):
        with pytest.raises(ValueError, match="finite"):
            wish(seconds)


def test_a_handler_that_stops_on_request_is_cancelled():
    """With its words, or ours."""
    assert settlement(Cancelled("halfway")).error == "halfway"
    assert settlement(Cancelled()).verb is Verb.STOP


def test_a_loss_is_counted_apart_until_there_were_too_many():
    """A job that kills workers ends dead."""
    lost = outcomes.loss("its worker died")
    first = deciding.decide_settlement(lost, KIND, 1, *FRESH)
    assert (first.verb, first.losses, first.failures) == (Verb.RESCUE, 1, 0)
    last = deciding.decide_settlement(lost, KIND, 2, *WORN)
    assert (last.verb, last.losses, last.failures) == (Verb.GIVE_UP, 1, 0)


@pytest.mark.parametrize("what", Loss)
def test_a_loss_that_the_kind_does_not_name_ends_the_job_for_somebody_to_decide(what):
    """It may have happened: nobody starts it again unasked, and only after such a loss."""
    lost = outcomes.loss("its worker died", what)
    for named in (frozenset(), frozenset({what}), ANY_LOSS - {what}):
        kind = replace(KIND, runs_again=named, loss_delay=3.0)
        found = deciding.decide_settlement(lost, kind, 1, *FRESH)
        assert found.losses == 1
        if what in named:
            assert (found.verb, found.delay) == (Verb.RESCUE, 3.0)
        else:
            assert found.verb is Verb.GIVE_UP
            assert found.error == f"WorkerLost: its worker died: {outcomes.UNDECIDED}"


def test_a_retry_may_change_what_runs_next():
    """Arguments, queue and priority; and it may say itself how many runs there are."""
    again = Retry(1.0, ValueError("busy"))
    again.changes, again.max_attempts = {"args": {"a": 2}}, 9
    found = settlement(again)
    assert (found.verb, json.loads(found.changes)) == (Verb.RETRY, {"args": {"a": 2}})
    again.max_attempts = 1
    assert settlement(again).verb is Verb.GIVE_UP


def test_a_release_leaves_no_trace():
    """The job had not started."""
    found = deciding.decide_settlement(outcomes.released("stopping"), KIND, 1, *WORN)
    assert found == Settlement(Verb.RELEASE, wait_reason="stopping", cuts=None)


@pytest.mark.parametrize(("attempt", "writes"), [(1, False), (2, True)])
def test_only_a_success_at_the_first_go_needs_no_attempt(attempt, writes):
    """The Job row tells all of that one."""
    found = deciding.decide_settlement(outcomes.succeeded('"x"'), KIND, attempt, *FRESH)
    assert (found.verb, found.result, found.writes_attempt) == (Verb.COMPLETE, '"x"', writes)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(7, 7.0), ("7.5", 7.5), (None, None), ("soon", None), (-1, None), (float("inf"), None)],
)
def test_the_providers_wish_is_read(value, seconds):
    """What is no number of seconds is no wish."""
    assert outcomes.retry_after(Throttled(value)) == seconds
    if seconds:
        assert settlement(Throttled(value)).delay >= seconds


def test_what_postgresql_can_not_keep_is_taken_out_of_an_error():
    """NULs go, endless messages and tracebacks are clipped."""
    found = outcomes.observe_error(ValueError("a\x00b" + "x" * 100_000), RETRY)
    assert "\x00" not in found.message + found.traceback
    assert len(found.message) == outcomes.MAX_MESSAGE
    assert len(found.traceback) == outcomes.MAX_TRACEBACK
    assert len(outcomes.error_line(found)) == 500


def test_an_error_is_named_in_full():
    """With its module, unless it is Python's own."""
    assert outcomes.observe_error(Throttled(1), RETRY).error_class.endswith(
        "test_outcomes.Throttled"
    )
    assert outcomes.observe_error(KeyError("x"), RETRY).error_class == "KeyError"
