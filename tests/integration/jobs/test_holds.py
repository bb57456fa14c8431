"""What holds a queued job back is one entry: all else follows from it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from celeriac.console.explaining.explain import explanation_of, view_of_facts
from celeriac.console.explaining.facts import gather_facts
from celeriac.jobs import holds
from celeriac.jobs.dispatching import admission
from celeriac.jobs.holds import HOLDS, HoldReason, hold_parameters
from celeriac.jobs.operating.selectors import queue_depths
from celeriac.jobs.running import claim, prepared
from celeriac.monitoring.rollups import backlog
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

#: A reason that nobody has yet, in a copy of the registry that these tests throw away.
EMBARGO = HoldReason(
    "embargo",
    "j.tenant = 'frozen'",
    "the tenant {job.tenant} is under an embargo since {by} said so",
    "their tenant is under an embargo",
    todo="Ask the lawyers.",
    by=lambda queue, kind: f"the law of {queue}",
)
COPY = (*HOLDS, EMBARGO)


@pytest.fixture
def jobs():
    """Make a job of the frozen tenant, and one of another."""
    return JobFactory(tenant="frozen"), JobFactory(tenant="warm")


def claimed(reasons, jobs):
    """Return what a claim with these reasons takes."""
    parameters = hold_parameters() | {
        "ids": prepared.UUIDArray(job.id for job in jobs),
        "alone": False,
        "claim_id": uuid4(),
        "worker": uuid4(),
        "ramp": 0.0,
        "lasting": [],
    }
    return {row[0] for row in prepared.fetch_rows(claim.claim_statement(reasons), parameters)}


def test_a_claim_takes_nothing_that_a_new_reason_holds(jobs):
    """Without it, it takes both."""
    assert claimed(COPY, jobs) == {jobs[1].id}
    assert claimed(HOLDS, jobs) == {jobs[0].id}


def test_the_dispatcher_rings_nothing_that_a_new_reason_holds(jobs):
    """Neither on its walk, nor of the ids that a nudge names."""
    walk = {
        "queue": "default", "priority": 0, "kinds": ["test.note"], "limit": 10,
        "after_run_at": admission.START[0], "after_id": admission.START[1],
        "until_run_at": datetime(9999, 1, 1, tzinfo=UTC), "until_id": UUID(int=2**128 - 1),
    }  # fmt: skip
    named = {"ids": [job.id for job in jobs], "queue": "default", "kinds": ["test.note"]}
    for reasons, expected in ((COPY, {jobs[1].id}), (HOLDS, {job.id for job in jobs})):
        rows = prepared.fetch_rows(admission.scan_statement(reasons), walk)
        assert {row[0] for row in rows if row[6]} == expected
        assert {
            row[0] for row in prepared.fetch_rows(admission.by_id_statement(reasons), named)
        } == expected


def test_the_hot_statements_are_those_of_the_registry():
    """What is tried above with a copy runs with the registry itself."""
    assert claim.claim_statement(HOLDS) == claim._CLAIM
    assert (
        admission.scan_statement(HOLDS),
        admission.by_id_statement(HOLDS),
    ) == (admission.SCAN, admission.BY_ID)


def test_the_backlog_and_the_depths_count_what_a_new_reason_parks(jobs):
    """The dashboard's first thousands, and the metrics' exact depths."""
    (found,) = (
        each for each in backlog.read_backlogs(most=10, reasons=COPY) if each.queue == "default"
    )
    assert (found.queued, found.held) == (1, 1)
    assert found.parked == [backlog.Parked("embargo", "the law of default", 1)]
    (depth,) = (each for each in queue_depths(COPY) if each.queue == "default")
    assert (depth.queued, depth.parked) == (1, 1)
    (before,) = (each for each in queue_depths() if each.queue == "default")
    assert (before.queued, before.parked) == (2, 0)


def test_the_page_says_what_a_new_reason_says(jobs):
    """In its sentence, with what to do; the job is called parked."""
    facts = gather_facts(jobs[0], reasons=COPY)
    told = explanation_of(facts, [])
    assert (told.code, view_of_facts(facts)) == ("embargo", "parked")
    assert told.sentence == (
        "It is not running because the tenant frozen is under an embargo "
        "since the law of default said so."
    )
    assert told.steps[0].text == "Ask the lawyers."
    assert view_of_facts(gather_facts(jobs[1], reasons=COPY)) == "queued"


def test_each_reason_has_its_code_and_its_words_once():
    """And what parks jobs has a title for the dashboard."""
    assert len({hold.code for hold in HOLDS}) == len(HOLDS)
    assert all(hold.sentence and (hold.title or not hold.parks) for hold in HOLDS)
    assert {holds.PROBE, holds.RAMP}.isdisjoint({hold.code for hold in HOLDS})
