"""Reading schedules: what comes, what came, and whether beat lives."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django_celery_beat.models import PeriodicTask

from celeriac.core import clock
from celeriac.core.clock import Now
from celeriac.core.hints import did_you_mean
from celeriac.schedules.calls import call_of
from celeriac.schedules.definition import RELATED, clock_of, times_of, zone_of
from celeriac.schedules.errors import InvalidSchedule, ScheduleNotFound
from celeriac.schedules.models import UNCALLED, Misfire, Policy, Tick


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """A schedule at a glance."""

    name: str
    kind: str
    schedule: str
    zone: str
    state: str
    next_fire_at: datetime | None
    last_tick: datetime | None
    last_status: str
    misfire: str
    overlap: str
    fault: str


def task_by_name(name: str) -> PeriodicTask:
    """Return a periodic task with its schedule; raises ScheduleNotFound."""
    task = PeriodicTask.objects.filter(name=name).select_related("policy", *RELATED).first()
    if task is None:
        known = PeriodicTask.objects.order_by("name").values_list("name", flat=True)
        raise ScheduleNotFound(f"There is no schedule {name!r}.{did_you_mean(name, known)}")
    return task


def schedule_statuses() -> list[ScheduleStatus]:
    """Return every schedule, by name."""
    tasks = PeriodicTask.objects.annotate(latest=Subquery(_latest_tick().values("pk")[:1]))
    rows = list(tasks.order_by("name").select_related("policy", *RELATED))
    latest = Tick.objects.in_bulk([row.latest for row in rows if row.latest])
    now = clock.db_now()
    return [_status(row, latest.get(row.latest), now) for row in rows]


def next_fires(
    task: PeriodicTask, *, count: int = 10, after: datetime | None = None, anew: bool = False
) -> list[datetime]:
    """Return the next nominal times, in the schedule's own zone; none while it is disabled.

    With `anew` as if it were saved now, changed. Raises InvalidSchedule where they
    can't be computed.
    """
    if not task.enabled:
        return []
    policy = Policy.objects.filter(pk=task.pk).first() if task.pk and not anew else None
    now = clock.db_now()
    start = after or (max(policy.cursor, now) if policy else now)
    anchor = policy.anchor if policy else now.replace(microsecond=0)
    times = times_of(task, anchor=anchor)
    zone = clock_of(task)
    found: list[datetime] = []
    while len(found) < (1 if task.one_off else count):
        tick = times.after(start)
        if tick is None:
            break
        found.append(tick.astimezone(zone))
        start = tick
    return found


def upcoming_fires(*, count: int = 10) -> list[tuple[datetime, str]]:
    """Return the next moments at which any schedule fires, with its name."""
    rows = (
        Policy.objects.filter(next_fire_at__isnull=False)
        .order_by("next_fire_at")
        .values_list("next_fire_at", "periodic_task__name")
    )
    return [(moment, name) for moment, name in rows[:count] if moment is not None]


def lag_seconds() -> float:
    """Return for how long the most overdue tick has been waiting for a beat; 0 when none is."""
    due = Policy.objects.filter(next_fire_at__isnull=False).order_by("next_fire_at")
    first = due.annotate(now=Now()).values_list("next_fire_at", "now").first()
    if first is None or first[0] is None:
        return 0.0
    return max(0.0, (first[1] - first[0]).total_seconds())


def ticks_of(task: PeriodicTask) -> QuerySet[Tick]:
    """Return a schedule's ticks, newest first."""
    return Tick.objects.filter(periodic_task=task).order_by("-scheduled_for")


def schedule_faults(*, most: int) -> list[tuple[PeriodicTask, str]]:
    """Return enabled schedules that can't fire, or whose job can't be made, each with the reason.

    `most` at most, by name.
    """
    said = Subquery(_latest_tick().values("reason")[:1])
    tasks = PeriodicTask.objects.filter(enabled=True).select_related("policy", *RELATED)
    suspect = tasks.annotate(said=said).filter(~Q(policy__fault="") | Q(said__startswith=UNCALLED))
    found = [(task, fault_of(task)) for task in suspect.order_by("name")[:most]]
    return [(task, fault) for task, fault in found if fault]


def _latest_tick() -> QuerySet[Tick]:
    """Return a schedule's ticks, newest first, for a subquery: the first by one index probe."""
    return Tick.objects.filter(periodic_task=OuterRef("pk")).order_by("-scheduled_for")


def _status(task: PeriodicTask, tick: Tick | None, now: datetime) -> ScheduleStatus:
    policy: Policy | None = getattr(task, "policy", None)
    return ScheduleStatus(
        name=task.name,
        kind=task.task,
        schedule=str(task.scheduler),
        zone=zone_of(task),
        state=state_of(task, now),
        next_fire_at=policy.next_fire_at if policy else None,
        last_tick=tick.scheduled_for if tick else None,
        last_status=tick.status if tick else "",
        misfire=policy.misfire if policy else "",
        overlap=policy.overlap if policy else "",
        fault=fault_of(task),
    )


def state_of(task: PeriodicTask, now: datetime) -> str:
    """Return enabled, disabled, paused, ended or new (not started by a beat yet)."""
    policy: Policy | None = getattr(task, "policy", None)
    if not task.enabled:
        return "disabled"
    if policy is None:
        return "new"
    if policy.paused_at and (policy.paused_until is None or policy.paused_until > now):
        return "paused"
    return "enabled" if policy.next_fire_at else "ended"


def policy_in_words(policy: Policy) -> str:
    """Return a policy as one sentence."""
    late = policy.get_misfire_display()
    if policy.misfire == Misfire.ALL:
        late += f" of {policy.misfire_limit}"
    parts = [
        f"ticks that are more than {policy.misfire_grace:g} s late: {late}",
        f"while an earlier job has not finished: {policy.get_overlap_display()}",
    ]
    if policy.deadline is not None:
        parts.append(f"a job starts within {policy.deadline:g} s or not at all")
    if policy.jitter:
        parts.append(f"starts are spread over {policy.jitter:g} s")
    return "; ".join(parts)


def fault_of(task: PeriodicTask) -> str:
    """Return why the schedule can't fire or its job can't be made, or ''."""
    policy: Policy | None = getattr(task, "policy", None)
    if policy and policy.fault:
        return policy.fault
    try:
        call_of(task)
    except InvalidSchedule as error:
        return error.message
    return ""
