"""What operators do to schedules: each verb a service that leaves an audit row."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django_celery_beat.models import PeriodicTask

from celeriac.core import audit, clock
from celeriac.core.clock import Now
from celeriac.jobs.enqueueing.option_checks import checked_moment as aware
from celeriac.schedules import refresh
from celeriac.schedules.calls import call_of
from celeriac.schedules.decide import TickVerdict
from celeriac.schedules.definition import EARLIEST, LATEST, RELATED, times_of
from celeriac.schedules.errors import InvalidSchedule, ScheduleError, ScheduleNotFound
from celeriac.schedules.fire import PlannedTick, draft_job, fire_due, printable, write_ticks
from celeriac.schedules.models import Policy, Status, Tick
from celeriac.schedules.times import Interval, Times, Within, ticks_between
from celeriac.settings import conf

Actor = Any  # a user, or a name

#: Ticks that a backfill makes at most: they are one transaction.
MOST = 50_000


def pause_schedule(
    task_id: int, *, reason: str, actor: Actor, until: datetime | None = None
) -> Policy:
    """Let no tick of the schedule fire, until it is resumed or until `until`; return its policy.

    Ticks of the pause are skipped, and say so.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidSchedule: its row can't be read.
        ScheduleError: there is no reason, or `until` is past.
    """
    reason = printable(reason)
    if not reason.strip():
        raise ScheduleError("Say why: a pause needs a reason.")
    if until is not None and aware("until", until) <= clock.db_now():
        raise ScheduleError(f"{until.isoformat()} is past: a pause needs an end ahead, or none.")
    with _held(task_id) as policy:
        Policy.objects.filter(pk=task_id).update(
            paused_at=Now(),
            paused_until=until,
            paused_by=str(actor or "")[:254],
            pause_reason=reason[:1000],
            updated_at=Now(),
        )
        details = {"until": until.isoformat()} if until else {}
        name = policy.periodic_task.name
        audit.record(
            "schedule.pause", "schedule", name, actor=actor, reason=reason, details=details
        )
    return Policy.objects.get(pk=task_id)


def resume_schedule(task_id: int, *, actor: Actor, reason: str = "") -> Policy:
    """Let the schedule fire again and return its policy.

    Ticks of the pause that no beat has seen yet are skipped first.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidSchedule: its row can't be read.
    """
    reason = printable(reason)
    with _held(task_id) as policy:
        if policy.paused_at is not None:
            while fire_due(only=[task_id]).schedules:
                pass
        Policy.objects.filter(pk=task_id).update(
            paused_at=None, paused_until=None, paused_by="", pause_reason="", updated_at=Now()
        )
        name = policy.periodic_task.name
        audit.record("schedule.resume", "schedule", name, actor=actor, reason=reason)
    return Policy.objects.get(pk=task_id)


def run_schedule_now(task_id: int, *, actor: Actor, reason: str = "") -> Tick:
    """Run the schedule's job once more, now, whatever its state; return the tick made for it.

    Its own ticks stay as they are.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidSchedule: its row can't be read, or makes no job.
        JobError: the job can't be enqueued.
    """
    reason = printable(reason)
    with _held(task_id) as policy:
        verdict = TickVerdict(clock.db_now(), Status.FIRED, _said("run", actor, reason))
        planned = _planned(policy, verdict, f"run by {actor}")
        write_ticks([planned], own=False)
        name, details = policy.periodic_task.name, {"tick": str(planned.id)}
        audit.record("schedule.run", "schedule", name, actor=actor, reason=reason, details=details)
        return Tick.objects.get(pk=planned.id)


def backfill_schedule(
    task_id: int,
    *,
    start: datetime,
    end: datetime,
    actor: Actor,
    reason: str = "",
    limit: int | None = None,
) -> list[Tick]:
    """Run the ticks from `start` up to, not including, `end` that have not run; return them.

    Ticks that fired before are left alone; missed, skipped and forgotten ones get
    their job now. `limit` is SCHEDULES_BACKFILL_TICKS where nothing is said, MOST at most.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidSchedule: its row can't be read, or makes no job.
        ScheduleError: the range is empty, not past, or holds more than `limit` ticks.
        JobError: a job can't be enqueued.
    """
    reason, limit = printable(reason), min(limit or conf.SCHEDULES_BACKFILL_TICKS, MOST)
    # In one zone, two times of a night when the clocks change compare as the wall shows them.
    start, end = _utc("start", start), _utc("end", end)
    _check_range(start, end)
    with _held(task_id) as policy:
        moments = _moments(policy, start, end, limit)
        text = _said("backfill", actor, reason)
        planned_ticks = [
            _planned(policy, TickVerdict(tick, Status.FIRED, text), f"backfill by {actor}")
            for tick in moments
        ]
        fired = write_ticks(planned_ticks, take_over=True)
        details = {"start": start.isoformat(), "end": end.isoformat(), "ticks": len(moments)}
        said = {"actor": actor, "reason": reason, "details": details}
        name = policy.periodic_task.name
        audit.record("schedule.backfill", "schedule", name, count=len(fired), **said)
        ids = [planned.id for planned in fired]
        return list(Tick.objects.filter(pk__in=ids).order_by("scheduled_for"))


def _utc(name: str, moment: datetime) -> datetime:
    if isinstance(moment, datetime) and not EARLIEST <= moment.year <= LATEST:
        years = f"{EARLIEST} to {LATEST}"
        raise ScheduleError(f"{moment.isoformat()} is outside the years {years}.")
    return aware(name, moment)


def _check_range(start: datetime, end: datetime) -> None:
    if start >= end:
        raise ScheduleError(f"The range from {start.isoformat()} to {end.isoformat()} is empty.")
    if end > clock.db_now():
        raise ScheduleError(f"{end.isoformat()} is ahead: only past ticks can be backfilled.")


def _moments(policy: Policy, start: datetime, end: datetime, limit: int) -> list[datetime]:
    times = _reaching(times_of(policy.periodic_task, anchor=policy.anchor), start)
    found: list[datetime] = []
    micro = timedelta(microseconds=1)
    for tick in ticks_between(times, start - micro, end - micro):
        found.append(tick)
        if len(found) > limit:
            raise ScheduleError(
                f"More than {limit} ticks lie between {start.isoformat()} and {end.isoformat()}: "
                "choose a shorter range" + (", or a higher limit." if limit < MOST else ".")
            )
    return found


def _reaching(times: Times, start: datetime) -> Times:
    """Let an interval's grid reach back to `start`, where it has no start time of its own."""
    if isinstance(times, Within) and times.start is None:
        return replace(times, times=_reaching(times.times, start))
    if isinstance(times, Interval) and start <= times.anchor:
        steps = (times.anchor - start) // times.every + 2
        return replace(times, anchor=times.anchor - steps * times.every)
    return times


def _planned(policy: Policy, verdict: TickVerdict, source: str) -> PlannedTick:
    task = policy.periodic_task
    planned = PlannedTick(policy.pk, verdict, source[:254])
    planned.draft = draft_job(task, planned, call_of(task), one_by_one=policy.overlap == "wait")
    return planned


@contextmanager
def _held(task_id: int) -> Iterator[Policy]:
    """Yield the policy of a task whose row is locked; a task that nobody started yet is, here."""
    with transaction.atomic():
        locked = PeriodicTask.objects.select_for_update(no_key=True).filter(pk=task_id)
        if not locked.exists():
            raise ScheduleNotFound(f"There is no schedule with the id {task_id}.")
        refresh.start_schedules([task_id])
        related = [f"periodic_task__{name}" for name in RELATED]
        policy = Policy.objects.select_related(*related).get(pk=task_id)
        if policy.fault:
            raise InvalidSchedule(policy.fault)
        yield policy


def _said(verb: str, actor: Actor, reason: str) -> str:
    return f"{verb} by {actor}" + (f": {reason}" if reason else "")
