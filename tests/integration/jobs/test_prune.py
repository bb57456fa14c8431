"""Pruning: what has been kept long enough goes, with its attempts and keys."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from celeriac.jobs.models import Attempt, Job, JobKey
from celeriac.jobs.operating import prune as module
from celeriac.jobs.operating.prune import prune_jobs
from tests.factories import AttemptFactory, JobFactory, JobKeyFactory

pytestmark = pytest.mark.django_db


def ago(**time):
    """Return the moment so long ago."""
    return timezone.now() - timedelta(**time)


def finished(state="succeeded", *, days, **fields):
    """Write a job that ended so many days ago."""
    return JobFactory(state=state, finished_at=ago(days=days), **fields)


def left():
    """Return the ids of the jobs that are left."""
    return set(Job.objects.values_list("id", flat=True))


def test_jobs_past_the_retention_go_with_their_attempts_and_keys(settings):
    """The younger, the queued and the running stay."""
    settings.CELERIAC = {**settings.CELERIAC, "RETENTION_DAYS": 14}
    old = finished(days=15)
    AttemptFactory(job=old)
    JobKeyFactory(job_id=old.id, created_at=ago(days=15))
    kept = {finished(days=13).id, JobFactory().id, JobFactory(state="running").id}
    AttemptFactory(job=Job.objects.get(id=min(kept)))
    pruned = prune_jobs()
    assert (pruned.jobs, pruned.attempts, pruned.keys, pruned.complete) == (1, 1, 1, True)
    assert left() == kept
    assert Attempt.objects.count() == 1
    assert not JobKey.objects.exists()


def test_a_kind_may_keep_its_jobs_for_another_time(declare):
    """Days of the kind's own, also under its alias; unknown kinds follow the setting."""
    declare(lambda: None, "test.fleeting", retention=1, aliases=("test.curt",))
    finished(days=2, kind="test.fleeting")
    finished(days=2, kind="test.curt")
    kept = {finished(days=2).id, finished(days=2, kind="test.gone").id}
    assert prune_jobs().jobs == 2
    assert left() == kept


def test_a_kind_may_keep_nothing_but_failures(declare):
    """Successes and cancellations go at once; the dead stay for the usual time."""
    declare(lambda: None, "test.quiet", retention=0)
    finished("succeeded", days=0.001, kind="test.quiet")
    finished("cancelled", days=0.001, kind="test.quiet")
    finished("dead", days=15, kind="test.quiet")
    kept = finished("dead", days=13, kind="test.quiet")
    assert prune_jobs().jobs == 3
    assert left() == {kept.id}


def test_a_job_stays_as_long_as_a_key_of_its_is_young(declare):
    """Seven days, whatever the retention."""
    declare(lambda: None, "test.quiet", retention=0)
    young = finished(days=6, kind="test.quiet")
    JobKeyFactory(job_id=young.id, created_at=ago(days=6))
    old = finished(days=8, kind="test.quiet")
    JobKeyFactory(job_id=old.id, created_at=ago(days=8))
    assert prune_jobs().keys == 1
    assert left() == {young.id}
    assert JobKey.objects.get().job_id == young.id


def test_keys_without_a_job_go_when_they_are_old():
    """A job deleted by hand leaves its key behind."""
    job = JobFactory()
    JobKeyFactory(job_id=job.id, created_at=ago(days=30))
    young = JobKeyFactory(job_id=finished(days=1).id, created_at=ago(days=6))
    gone = finished(days=1)
    JobKeyFactory(job_id=gone.id, created_at=ago(days=8))
    Job.objects.filter(id__in=[gone.id, young.job_id]).delete()
    assert prune_jobs().keys == 1
    assert JobKey.objects.count() == 2


def test_small_batches_reach_everything_past_what_must_stay():
    """A page of jobs whose keys are young does not stop the walk."""
    moment = ago(days=20)
    for number in range(10):
        job = JobFactory(state="succeeded", finished_at=moment)
        if number % 3:
            JobKeyFactory(job_id=job.id)
    assert prune_jobs(batch=2).jobs == 4
    assert Job.objects.count() == 6


def test_it_stops_when_its_time_is_up():
    """The rest waits for the next time."""
    finished(days=20)
    assert not prune_jobs(seconds=-1.0).complete
    assert Job.objects.count() == 1


def test_the_kinds_are_found_without_reading_the_table():
    """One index probe for each kind."""
    for kind in ("test.a", "test.b", "test.a"):
        finished(days=1, kind=kind)
    assert module._kinds() == ["test.a", "test.b"]
    with connection.cursor() as cursor:
        for other in ("seqscan", "bitmapscan", "sort"):  # which a small table would do with
            cursor.execute(f"SET LOCAL enable_{other} = off")
        cursor.execute("EXPLAIN " + module._KINDS)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "using celeriac_job_finished" in plan
    assert "Seq Scan" not in plan
