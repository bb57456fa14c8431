"""Verbs over a filter among other transactions, on real row locks."""

from contextlib import suppress

import pytest
from django.contrib.contenttypes.models import ContentType

from celeriac import EnqueueBusy
from celeriac.console.actions import runner, services
from celeriac.console.actions.models import BulkAction
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from tests.factories import JobFactory
from tests.integration.ops.bulk_actions_support import dead_jobs, member
from tests.support.threads import at_once, held_open

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(monkeypatch):
    """Return an operator whose verbs go in batches of five, in the background."""
    monkeypatch.setattr(services, "AT_ONCE", 0)
    monkeypatch.setattr(runner, "BATCH", 5)
    ContentType.objects.clear_cache()
    return member("operator")


def begin(actor, verb="retry", state="dead"):
    """Begin a verb over the jobs of a state."""
    return services.bulk_start(verb=verb, filter={"state": [state]}, actor=actor, reason="x")


def finish(bulk):
    """Run it to its end, as its job's retries would."""
    waits = 0.0
    while waits is not None:
        with suppress(EnqueueBusy):
            waits = runner.bulk_run(bulk_id=bulk.pk).wait


def hold(job):
    """Hold a job's row."""
    return Job.objects.select_for_update().get(pk=job.pk)


def test_a_job_that_another_transaction_holds_is_done_at_the_end(operator):
    """Nobody waits for it, and nobody forgets it."""
    jobs = dead_jobs(12)
    bulk = begin(operator)
    with held_open(lambda: hold(jobs[3])) as (_, let_go):
        progress = runner.bulk_run(bulk_id=bulk.pk)
        assert progress.wait == runner.PATIENCE
        assert (progress.seen, progress.changed) == (12, 11)
        let_go()
        assert runner.bulk_run(bulk_id=bulk.pk).wait is None
    bulk.refresh_from_db()
    assert (bulk.state, bulk.changed, bulk.error) == ("finished", 12, "")
    assert Job.objects.filter(kind="test.note", state="queued").count() == 12


def test_a_job_that_is_held_for_good_is_left_and_reported(operator):
    """After some rounds the rest is finished without it."""
    jobs = dead_jobs(3)
    bulk = begin(operator)
    with held_open(lambda: hold(jobs[1])) as (_, let_go):
        for _round in range(runner.ROUNDS):
            runner.bulk_run(bulk_id=bulk.pk)
        let_go()
    bulk.refresh_from_db()
    assert (bulk.state, bulk.changed, bulk.untouched) == ("finished", 2, 1)
    assert "1 held by other transactions" in bulk.error
    assert Job.objects.get(pk=jobs[1].pk).state == "dead"


def test_too_many_held_jobs_stop_the_cursor_until_they_are_free(operator, monkeypatch):
    """The row that remembers them stays small."""
    monkeypatch.setattr(runner, "MOST_HELD", 5)
    jobs = dead_jobs(12)
    bulk = begin(operator)

    def hold_all():
        return list(Job.objects.select_for_update().filter(pk__in=[job.pk for job in jobs]))

    with held_open(hold_all) as (_, let_go):
        for _round in range(2 * runner.ROUNDS):
            assert runner.bulk_run(bulk_id=bulk.pk).seen == 5
        let_go()
        finish(bulk)
    bulk.refresh_from_db()
    assert (bulk.state, bulk.changed) == ("finished", 12)


def test_runs_that_meet_do_nothing_twice(operator):
    """They take turns at the verb's row; the sum is exact."""
    dead_jobs(60)
    bulk = begin(operator)
    at_once(4, lambda number: finish(bulk))
    bulk.refresh_from_db()
    assert (bulk.state, bulk.seen, bulk.changed) == ("finished", 60, 60)
    assert Audit.objects.get().count == 60
    assert Job.objects.filter(kind="test.note", state="queued").count() == 60


def test_a_form_sent_twice_at_once_begins_one_verb(operator):
    """The second is shown the first one's page."""
    dead_jobs(3)
    token = BulkAction().pk

    def send(number):
        return services.bulk_start(
            verb="retry", filter={"state": ["dead"]}, actor=operator, reason="x", bulk_id=token
        ).pk

    assert set(at_once(3, send)) == {token}
    assert BulkAction.objects.count() == Audit.objects.count() == 1
    assert Job.objects.filter(kind="ops.apply_verb").count() == 1


def test_verbs_that_pull_both_ways_end_and_every_count_is_true(operator):
    """Cancel and retry over the same jobs at the same time: no deadlock, no lost job."""
    dead_jobs(20)
    JobFactory.create_batch(20)
    bulks = [begin(operator), begin(operator, "cancel", "queued")]
    at_once(2, lambda number: finish(bulks[number]))
    for bulk in bulks:
        bulk.refresh_from_db()
        assert bulk.state == "finished"
        assert Audit.objects.get(pk=bulk.audit_id).count == bulk.changed
    assert Job.objects.filter(kind="test.note", state__in=["queued", "cancelled"]).count() == 40
