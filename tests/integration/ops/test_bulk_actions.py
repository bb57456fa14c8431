"""Verbs over a filter: what is chosen, what is refused, and what survives a second run."""

from datetime import timedelta
from uuid import uuid4

import pytest

from celeriac import InvalidOption, UnknownQueue
from celeriac.console.actions import groups, runner, selection, services
from celeriac.console.actions.errors import (
    BadFilter,
    BulkError,
    NotAllowed,
    NothingToStop,
    UnknownAction,
)
from celeriac.console.actions.models import BulkAction, GroupGrant
from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.jobs.models import Job
from celeriac.testing import assert_enqueued, drain
from tests.factories import AttemptFactory, JobFactory, UserFactory
from tests.integration.ops.bulk_actions_support import dead_jobs, member

pytestmark = pytest.mark.django_db

DEAD = {"state": ["dead"]}


@pytest.fixture
def operator():
    """Return a user of the group *operator*."""
    return member("operator")


@pytest.fixture
def in_background(monkeypatch):
    """Let no set be small enough to be done at once, and batches be of two."""
    monkeypatch.setattr(services, "AT_ONCE", 0)
    monkeypatch.setattr(runner, "BATCH", 2)


def begin(actor, verb="retry", filter=None, **options):
    """Begin a verb over the dead."""
    options.setdefault("reason", "the provider is back")
    return services.bulk_start(verb=verb, filter=filter or DEAD, actor=actor, **options)


def states(jobs):
    """Return the states of the jobs, in order."""
    found = Job.objects.in_bulk([job.pk for job in jobs])
    return [found[job.pk].state for job in jobs]


def test_a_small_set_is_done_at_once_and_audited(operator):
    """Nobody needs a worker to put workers right."""
    jobs, other = dead_jobs(3), JobFactory(state="succeeded")
    bulk = begin(operator)
    assert (bulk.state, bulk.total, bulk.changed, bulk.job) == ("finished", 3, 3, None)
    assert states([*jobs, other]) == ["queued"] * 3 + ["succeeded"]
    entry = Audit.objects.get()
    assert (entry.verb, entry.count, entry.reason) == ("job.retry", 3, "the provider is back")
    assert (entry.actor, entry.filter) == (operator, DEAD)
    assert entry.details["bulk"] == str(bulk.pk)


def test_a_large_set_is_done_by_a_job_in_batches(operator, in_background):
    """With progress on the way."""
    jobs = dead_jobs(5)
    bulk = begin(operator)
    assert (bulk.state, bulk.total, states(jobs)) == ("waiting", 5, ["dead"] * 5)
    assert assert_enqueued("ops.apply_verb", bulk_id=bulk.pk).id == bulk.job
    drain("maintenance")
    bulk.refresh_from_db()
    assert (bulk.state, bulk.seen, bulk.changed) == ("finished", 5, 5)
    assert states(jobs) == ["queued"] * 5
    assert Audit.objects.get().count == 5
    job = Job.objects.get(pk=bulk.job)
    assert job.state == "succeeded"
    assert job.result == {"state": "finished", "changed": 5, "seen": 5}


def test_jobs_that_die_after_the_confirmation_are_left_alone(operator, in_background):
    """What was looked at is what is done."""
    early = dead_jobs(2)
    bulk = begin(operator)
    later = clock.db_now() + timedelta(seconds=1)
    late = dead_jobs(1, created_at=early[0].created_at, finished_at=later)
    drain("maintenance")
    assert states([*early, *late]) == ["queued", "queued", "dead"]
    bulk.refresh_from_db()
    assert bulk.changed == 2


def test_a_run_that_comes_twice_does_nothing_twice(operator, in_background):
    """A redelivered job finds the cursor moved on."""
    jobs = dead_jobs(4)
    bulk = begin(operator)
    assert runner.apply_batch(bulk.pk) is runner.BatchResult.MORE
    first, rest = jobs[:2], jobs[2:]
    Job.objects.filter(pk=first[0].pk).update(state="dead", finished_at=first[0].finished_at)
    runner.bulk_run(bulk_id=bulk.pk)
    runner.bulk_run(bulk_id=bulk.pk)
    assert states([*first, *rest]) == ["dead", "queued", "queued", "queued"]
    bulk.refresh_from_db()
    assert (bulk.seen, bulk.changed, Audit.objects.get().count) == (4, 4, 4)


def test_a_form_sent_twice_begins_one_verb(operator):
    """Its id is made when the page is shown."""
    dead_jobs(2)
    token = uuid4()
    assert begin(operator, bulk_id=token) == begin(operator, bulk_id=token)
    assert Audit.objects.count() == BulkAction.objects.count() == 1
    with pytest.raises(NotAllowed):
        begin(member("operator"), bulk_id=token)


def test_who_loses_the_permission_is_refused_half_way(operator, in_background):
    """The background asks again before each batch."""
    jobs = dead_jobs(4)
    bulk = begin(operator)
    runner.apply_batch(bulk.pk)
    operator.groups.clear()
    drain("maintenance")
    bulk.refresh_from_db()
    assert bulk.state == "refused"
    assert "may no longer" in bulk.error
    assert states(jobs) == ["queued", "queued", "dead", "dead"]


@pytest.mark.parametrize("fact", [{"is_active": False}, {"is_staff": False}])
def test_who_may_no_longer_sign_in_is_refused(operator, in_background, fact):
    """As is a user who was deleted."""
    dead_jobs(2)
    bulk = begin(operator)
    type(operator).objects.filter(pk=operator.pk).update(**fact)
    runner.bulk_run(bulk_id=bulk.pk)
    bulk.refresh_from_db()
    assert bulk.state == "refused"


def test_what_a_command_did_not_finish_its_job_does(in_background):
    """It was cut short: somebody with a shell answers for it, and no program does."""
    jobs = dead_jobs(3)
    bulk = begin("ada", reason="")
    runner.apply_batch(bulk.pk)
    assert states(jobs) == ["queued", "queued", "dead"]
    drain("maintenance")
    bulk.refresh_from_db()
    assert (bulk.state, bulk.changed, bulk.actor_name) == ("finished", 3, "ada")
    with pytest.raises(NotAllowed):
        begin("api:shop")


def test_a_deleted_user_is_refused(operator, in_background):
    """Nobody answers for it any more."""
    dead_jobs(2)
    bulk = begin(operator)
    operator.delete()
    runner.bulk_run(bulk_id=bulk.pk)
    bulk.refresh_from_db()
    assert (bulk.state, bulk.changed) == ("refused", 0)


@pytest.mark.parametrize("verb", ["retry", "cancel", "run_now", "priority", "queue"])
def test_a_viewer_can_begin_none(verb):
    """The service asks, whoever calls it."""
    dead_jobs(1)
    parameters = {"priority": 5, "queue": "payments"}
    with pytest.raises(NotAllowed):
        begin(member("viewer"), verb, parameters=parameters)
    assert not Audit.objects.exists()


def test_each_verb_does_what_it_says(operator):
    """To queued jobs, and to one that runs."""
    later = clock.db_now() + timedelta(hours=1)
    job, busy = JobFactory(run_at=later), JobFactory(state="running")
    everything = {"kind": ["test.note"]}
    begin(operator, "run_now", everything)
    begin(operator, "priority", everything, parameters={"priority": 7})
    begin(operator, "queue", everything, parameters={"queue": "payments"})
    job.refresh_from_db()
    assert (job.priority, job.queue) == (7, "payments")
    assert job.run_at < later
    assert begin(operator, "cancel", everything).changed == 2
    job.refresh_from_db()
    busy.refresh_from_db()
    assert (job.state, busy.state) == ("cancelled", "running")
    assert job.error == "cancelled: the provider is back"
    assert busy.cancel_requested_at is not None


def test_a_verb_over_everything_spares_the_jobs_that_apply_verbs(operator, in_background):
    """Or it would cancel itself."""
    jobs = JobFactory.create_batch(3)
    bulk = begin(operator, "cancel", {"state": ["queued"]})
    drain("maintenance")
    bulk.refresh_from_db()
    assert (bulk.state, bulk.changed) == ("finished", 3)
    assert states(jobs) == ["cancelled"] * 3


def test_what_cannot_be_meant_is_refused(operator):
    """Before anything is written."""
    with pytest.raises(UnknownAction):
        begin(operator, "delete")
    with pytest.raises(BulkError, match="why"):
        begin(operator, reason="  ")
    with pytest.raises(InvalidOption):
        begin(operator, "priority", parameters={"priority": 1000})
    with pytest.raises(InvalidOption):
        begin(operator, "priority")
    with pytest.raises(UnknownQueue):
        begin(operator, "queue", parameters={"queue": "nowhere"})
    assert not BulkAction.objects.exists()
    assert not Audit.objects.exists()


@pytest.mark.parametrize(
    "filter", [{"colour": ["red"]}, {"ids": ["17"]}, {"state__exact": ["dead"], "x__y": ["1"]}]
)
def test_a_filter_that_the_list_cannot_read_is_refused(operator, filter):
    """A typing error must not become every job."""
    dead_jobs(1)
    with pytest.raises(BadFilter):
        begin(operator, filter=filter)
    assert not BulkAction.objects.exists()


def test_dead_letters_are_chosen_by_their_class_of_error(operator):
    """Not by words that only look like it."""
    jobs = dead_jobs(2, "ValueError: no luck")
    others = dead_jobs(1, "KeyError: 'ValueError'") + dead_jobs(1, "ValueErrors: many")
    assert begin(operator, filter={"error_class": ["ValueError"]}).changed == 2
    assert states([*jobs, *others]) == ["queued", "queued", "dead", "dead"]


def test_a_choice_by_hand_is_just_that(operator):
    """Those of it that the verb can move."""
    chosen, other = dead_jobs(2), dead_jobs(1)
    fine = JobFactory(state="succeeded")
    ids = [str(job.pk) for job in [*chosen, fine]]
    assert begin(operator, filter={"ids": ids}).changed == 2
    assert states([*chosen, *other, fine]) == ["queued", "queued", "dead", "succeeded"]


def test_a_search_is_answered_once(operator, in_background):
    """What it would find after the first batch is somebody else's job."""
    named = dead_jobs(3, lock_key="timeout")
    other = dead_jobs(1)[0]
    AttemptFactory(job=other, error_class="ReadError", message="timeout")
    bulk = begin(operator, filter={"state": ["dead"], "q": ["timeout"]})
    assert bulk.total == 3
    drain("maintenance")
    assert states([*named, other]) == ["queued"] * 3 + ["dead"]


def test_a_verb_is_stopped_between_two_batches(operator, in_background):
    """What it did stays done."""
    jobs = dead_jobs(4)
    bulk = begin(operator)
    runner.apply_batch(bulk.pk)
    stopped = services.bulk_stop(bulk_id=bulk.pk, actor=operator, reason="wrong filter")
    assert (stopped.state, stopped.changed) == ("stopped", 2)
    assert runner.apply_batch(bulk.pk) is runner.BatchResult.OVER
    assert states(jobs) == ["queued", "queued", "dead", "dead"]
    assert Job.objects.get(pk=bulk.job).state == "cancelled"
    assert set(Audit.objects.values_list("verb", "reason")) == {
        ("job.retry", "the provider is back"),
        ("bulk.stop", "wrong filter"),
    }
    with pytest.raises(NothingToStop):
        services.bulk_stop(bulk_id=bulk.pk, actor=operator)
    with pytest.raises(NotAllowed):
        services.bulk_stop(bulk_id=bulk.pk, actor=member("viewer"))


def test_a_verb_whose_job_died_goes_on_where_it_stood(operator, in_background):
    """Once its job is retried."""
    jobs = dead_jobs(4)
    bulk = begin(operator)
    runner.apply_batch(bulk.pk)
    runner.bulk_fail(job_id=bulk.job, error="OperationalError: gone")
    bulk.refresh_from_db()
    assert (bulk.state, bulk.error) == ("failed", "OperationalError: gone")
    runner.bulk_run(bulk_id=bulk.pk)
    bulk.refresh_from_db()
    assert (bulk.state, bulk.error, bulk.changed) == ("finished", "", 4)
    assert states(jobs) == ["queued"] * 4


def test_a_twin_that_is_queued_already_is_left_as_it_is(operator, in_background):
    """And said to be."""
    jobs = dead_jobs(2, unique_key="night") + dead_jobs(1)
    JobFactory(unique_key="night")
    bulk = begin(operator)
    drain("maintenance")
    bulk.refresh_from_db()
    assert states(jobs) == ["dead", "dead", "queued"]
    assert (bulk.changed, bulk.untouched) == (1, 2)


def test_a_set_too_large_to_count_is_counted_by_its_job(operator, monkeypatch):
    """The page says so; the bar gets its number later."""
    monkeypatch.setattr(selection, "COUNT_UP_TO", 3)
    dead_jobs(5)
    bulk = begin(operator)
    assert (bulk.state, bulk.total) == ("waiting", None)
    drain("maintenance")
    bulk.refresh_from_db()
    assert (bulk.state, bulk.total, bulk.changed) == ("finished", 5, 5)


def test_a_count_that_takes_too_long_is_given_up(operator):
    """And the transaction around it goes on."""
    slow = Job.objects.extra(where=["pg_sleep(5) IS NOT NULL"])
    JobFactory()
    assert selection.bounded_count(slow, milliseconds=50) is None
    assert Job.objects.count() == 1


def test_a_permission_taken_from_a_group_stays_away():
    """Migrating again gives only what is new; a deleted group stays deleted."""
    user = member("operator")
    assert user.has_perms(
        ["celeriac_jobs.view_job", "celeriac_jobs.retry_job", "celeriac_core.view_audit"]
    )
    assert not user.has_perm("accounts.change_user")
    assert member("admin").has_perms(["accounts.change_user", "payments.refund_payment"])
    group = user.groups.get()
    group.permissions.remove(group.permissions.get(codename="retry_job"))
    GroupGrant.objects.filter(permission="celeriac_jobs.cancel_job").delete()
    group.permissions.remove(group.permissions.get(codename="cancel_job"))
    groups.fill_groups()
    again = type(user).objects.get(pk=user.pk)
    assert again.has_perm("celeriac_jobs.cancel_job")
    assert not again.has_perm("celeriac_jobs.retry_job")
    group.delete()
    groups.fill_groups()
    assert not UserFactory().groups.model.objects.filter(name="operator").exists()


def test_every_permission_that_the_operators_get_exists():
    """A typing error would leave them without it."""
    assert {f"operator:{name}" for name in groups.operated()} <= {
        str(grant).replace(" ", "") for grant in given()
    }


def given():
    """Return the grants, made if need be."""
    groups.fill_groups()
    return list(GroupGrant.objects.all())
