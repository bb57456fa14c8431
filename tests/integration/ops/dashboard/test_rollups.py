"""Minute roll-ups: exact, the same however often they run, and late endings are not lost."""

from datetime import timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone
from hypothesis import given, settings as limits, strategies as st

from celeriac.core import clock
from celeriac.jobs.models import Job
from celeriac.jobs.operating import operate, prune
from celeriac.monitoring.models import ErrorRollup, Pass, Rollup, Sample
from celeriac.monitoring.rollups import chart_series, rolling
from celeriac.monitoring.rollups.buckets import bucket_bounds, percentile
from tests.factories import JobFactory
from tests.integration.ops.dashboard.support import ended, failed, minute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shifted")]

COUNTS = ("succeeded", "dead", "cancelled", "failed", "lost")


def totals(span=60):
    """Return the sums over all roll-ups of a span."""
    found = Rollup.objects.filter(span=span).aggregate(**{name: Sum(name) for name in COUNTS})
    return {name: count for name, count in found.items() if count}


def test_endings_are_counted_by_minute_queue_and_kind():
    """The running minute is not; each longer span is the sum of its minutes."""
    at = minute(ago=3)
    for seconds in (0, 59.999):
        ended(at + timedelta(seconds=seconds))
    ended(at + timedelta(seconds=60), queue="payments")
    ended(at, state="cancelled")
    ended(clock.db_now())
    rolling.roll_up_minutes()
    rows = Rollup.objects.filter(span=60).order_by("at", "queue")
    assert [(r.at - at, r.queue, r.succeeded, r.cancelled) for r in rows] == [
        (timedelta(0), "default", 2, 1),
        (timedelta(minutes=1), "payments", 1, 0),
    ]
    for span in (300, 3600):
        assert totals(span) == totals() == {"succeeded": 3, "cancelled": 1}


def test_failures_are_counted_from_attempts():
    """A job that failed twice, was lost once and then died: four runs, one death."""
    at = minute(ago=2)
    job = ended(at, state="dead", attempts=4)
    for number, outcome in enumerate(("failed", "failed", "lost", "dead"), start=1):
        failed(job, at, outcome=outcome, number=number)
    rolling.roll_up_minutes()
    assert totals() == {"dead": 1, "failed": 2, "lost": 1}
    assert list(ErrorRollup.objects.filter(span=60).values_list("error_class", "dead")) == [
        ("ValueError", 1)
    ]
    row = Rollup.objects.get(span=60)
    assert sum(row.run.values()) == 3  # of a lost run nobody knows how long it ran
    assert sum(row.wait.values()) == 1


def test_rolling_again_changes_nothing():
    """Whether by chance or by an operator."""
    at = minute(ago=2)
    failed(ended(at, state="dead"), at, outcome="dead")
    ended(at)
    rolling.roll_up_minutes()
    before = list(Rollup.objects.order_by("pk").values())
    rolling.roll_up_minutes()
    assert list(Rollup.objects.order_by("pk").values()) == before


def test_a_run_that_is_written_late_is_counted_all_the_same(shifted):
    """A doorbell settles its jobs together, the first with the time at which it ended."""
    at = minute(ago=12)
    ended(at)
    with shifted(minutes=-11):
        rolling.roll_up_minutes()
    assert totals() == {"succeeded": 1}
    late = ended(at)
    failed(late, at)
    rolling.roll_up_minutes()
    assert totals() == totals(3600) == {"succeeded": 2, "failed": 1}


def test_what_ended_during_a_downtime_of_the_roll_up_is_caught_up(shifted):
    """In chunks, without a gap."""
    ended(minute(ago=20 * 60))
    with shifted(hours=-19):
        rolling.roll_up_minutes()
    moments = [minute(ago=60 * hours) for hours in range(1, 19)]
    for at in moments:
        ended(at)
    rolling.roll_up_minutes()
    assert totals() == totals(300) == {"succeeded": 19}
    assert Pass.objects.count() > 3


def test_a_retry_and_a_prune_take_nothing_back(settings):
    """What happened, happened."""
    at = minute(ago=2)
    job = ended(at, state="dead")
    failed(job, at, outcome="dead")
    ended(at, kind="test.noop")
    rolling.roll_up_minutes()
    operate.retry(job.id, reason="test")
    Job.objects.filter(kind="test.noop").delete()
    rolling.roll_up_minutes()
    assert totals() == {"succeeded": 1, "dead": 1}


def test_a_job_that_is_not_kept_is_counted_before_it_is_pruned(settings):
    """Pruning waits for the roll-up."""
    settings.CELERIAC = {**settings.CELERIAC, "RETENTION_DAYS": 0}
    ended(minute(ago=40))
    assert prune.prune_jobs(before=rolling.safe_to_prune()).jobs == 0
    rolling.roll_up_minutes()
    assert prune.prune_jobs(before=rolling.safe_to_prune()).jobs == 1
    assert totals() == {"succeeded": 1}


def test_a_roll_up_that_has_long_been_broken_does_not_fill_the_disk(settings):
    """Pruning waits a day at most."""
    settings.CELERIAC = {**settings.CELERIAC, "RETENTION_DAYS": 0}
    ended(minute(ago=25 * 60))
    assert prune.prune_jobs(before=rolling.safe_to_prune()).jobs == 1


def test_old_spans_are_forgotten():
    """Minutes first, hours last."""
    old = minute(ago=3 * 24 * 60)
    ended(old)
    rolling.roll_up_minutes()
    assert set(Rollup.objects.values_list("span", flat=True)) == {300, 3600}


def test_the_queues_are_sampled():
    """How many wait, how many run, how old the oldest is."""
    JobFactory(run_at=clock.db_now() - timedelta(seconds=90))
    JobFactory(run_at=clock.db_now() + timedelta(hours=1))
    JobFactory(state="running")
    rolling.roll_up_minutes()
    sample = Sample.objects.get(span=60, queue="default")
    assert (sample.waiting, sample.running, sample.parked) == (2, 1, 0)
    assert 89 < sample.oldest < 120
    assert Sample.objects.get(span=3600, queue="default").waiting == 2


@limits(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0005, 100_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.99]))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(durations, share):
    """Whatever the durations."""
    histogram = {}
    for seconds in durations:
        bucket = next(b for b in range(111) if seconds <= bucket_bounds(b)[1])
        histogram[bucket] = histogram.get(bucket, 0) + 1
    rank = max(0, -(-int(share * len(durations) * 1000) // 1000) - 1)
    true = sorted(durations)[rank]
    lower, upper = bucket_bounds(next(b for b in range(111) if true <= bucket_bounds(b)[1]))
    assert lower <= percentile(histogram, share) <= upper * 1.000001


def test_a_series_has_every_point_of_its_window():
    """Zero where nothing ended, nothing where nobody looked."""
    at = minute(ago=2)
    for _ in range(3):
        ended(at, wait=10.0, run=2.0)
    upto = rolling.roll_up_minutes()
    frame = chart_series.Frame.of(chart_series.WINDOWS["15m"], upto)
    done, bad = chart_series.ended_counts(frame)
    assert len(frame.moments) == 15
    assert frame.moments[-1] == upto - timedelta(minutes=1)
    assert done["default"][-2:] == [3.0, 0.0]
    assert set(bad) == {"failed", "lost", "dead"}
    wait = chart_series.percentile_series(frame, "wait")
    assert wait["p50"][-2] == pytest.approx(10.0, rel=0.2)
    assert wait["p50"][-1] is None
    assert chart_series.percentile_series(frame, "run")["p99"][-2] == pytest.approx(2.0, rel=0.2)
    hours = chart_series.Frame.of(chart_series.WINDOWS["7d"], upto)
    assert len(hours.moments) == 168
    minutes = [
        count * hours.minutes(m)
        for count, m in zip(
            chart_series.ended_counts(hours)[0]["default"], hours.moments, strict=True
        )
    ]
    assert sum(minutes) == pytest.approx(3)


def test_percentiles_of_an_hour_are_those_of_its_runs():
    """Merged buckets lose nothing."""
    for number in range(100):
        ended(minute(ago=2 + number % 3), wait=1.0 if number < 95 else 300.0)
    upto = rolling.roll_up_minutes()
    wait = chart_series.percentile_series(
        chart_series.Frame.of(chart_series.WINDOWS["7d"], upto), "wait"
    )
    found = [value for value in wait["p50"] if value is not None]
    assert all(value == pytest.approx(1.0, rel=0.2) for value in found)
    assert max(v for v in wait["p99"] if v is not None) == pytest.approx(300.0, rel=0.2)


def test_attempts_are_found_by_their_id_and_not_by_reading_all(django_assert_max_num_queries):
    """A pass begins a minute before the attempts that it counts."""
    attempt = failed(JobFactory(), minute(ago=1))
    now = timezone.now()
    assert (
        rolling._first_attempt(now)
        < attempt.pk
        < rolling._first_attempt(now + timedelta(seconds=90))
    )
    rolling.roll_up_minutes()
    with django_assert_max_num_queries(60):
        rolling.roll_up_minutes()
