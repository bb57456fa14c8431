"""Firing: a due tick and its job in one transaction, or neither.

Any number of beats may call this at once. A schedule's row is locked while its
ticks are decided, others pass over it, and whoever comes next finds it advanced;
the unique (periodic task, scheduled_for) is the guarantee behind that.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django_celery_beat.models import PeriodicTask

from celeriac.core.arguments import LONGEST
from celeriac.core.ids import uuid7
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.enqueueing.enqueue import enqueue_drafts, prepare_many
from celeriac.jobs.errors import JobError
from celeriac.schedules import refresh, sql
from celeriac.schedules.calls import Call, call_of
from celeriac.schedules.decide import Rules, TickVerdict, decide_ticks
from celeriac.schedules.definition import RELATED, times_of
from celeriac.schedules.errors import InvalidSchedule
from celeriac.schedules.models import UNCALLED, Policy, Status

logger = logging.getLogger(__name__)

#: Schedules decided in one transaction.
BATCH = 100
#: Late ticks of one schedule that run at most, whatever its policy says: one transaction.
MOST_LATE = 10_000


@dataclass(slots=True)
class PlannedTick:
    """A tick to be written, with the draft of its job where it fires."""

    task: int
    verdict: TickVerdict
    source: str
    draft: Draft | None = None
    id: UUID = field(default_factory=uuid7)

    def row(self) -> dict[str, Any]:
        """Return the tick's columns."""
        return {
            "id": self.id,
            "task": self.task,
            "scheduled_for": self.verdict.at,
            "status": self.verdict.status,
            "reason": self.verdict.reason,
            "job": self.draft and self.draft.id,
            "missed_before": self.verdict.missed_before,
            "missed_since": self.verdict.missed_since,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class FireResult:
    """What one call of `fire_due` did: schedules looked at, jobs made, and when it looked."""

    schedules: int = 0
    fired: int = 0
    now: datetime | None = None


def fire_due(
    *, limit: int = BATCH, only: Sequence[int] | None = None, source: str = "beat"
) -> FireResult:
    """Decide every due tick of up to `limit` schedules, and enqueue the jobs of those that fire.

    One transaction: a failure leaves nothing behind and nothing advanced. Raises
    database errors and EnqueueBusy.
    """
    with transaction.atomic():
        ids = sql.lock_due(limit=limit, only=only)
        if not ids:
            return FireResult()
        policies = _read(ids)
        found, now = sql.task_definitions(ids)
        changed = [pk for pk, (new, old) in found.items() if new != old]
        if changed:
            refresh.start_schedules(changed)
        steady = [policy for policy in policies if policy.pk not in changed]
        if now is None:
            return FireResult()
        return FireResult(len(ids), _fire(steady, now, source), now)


def write_ticks(
    planned_ticks: Iterable[PlannedTick], *, take_over: bool = False, own: bool = True
) -> list[PlannedTick]:
    """Write ticks and enqueue the jobs of those that are new; return the fired ones.

    Ticks that are not the schedule's `own` leave what is left of it as it is.
    """
    listed = list(planned_ticks)
    rows = [planned.row() for planned in listed]
    new = sql.insert_ticks(rows, take_over=take_over) if rows else ()
    fired = [planned for planned in listed if planned.draft is not None and planned.id in new]
    jobs = enqueue_drafts([planned.draft for planned in fired if planned.draft])
    sql.assign_jobs(
        {"id": planned.id, "job": job.id, "reason": "joined a job of its unique key that waited"}
        for planned, job in zip(fired, jobs, strict=True)
        if planned.draft and job.id != planned.draft.id
    )
    counts = sorted(Counter(planned.task for planned in fired).items())
    sql.count_runs({"task": task, "fired": number, "own": own} for task, number in counts)
    return fired


def draft_job(task: PeriodicTask, planned: PlannedTick, call: Call, *, one_by_one: bool) -> Draft:
    """Return the draft of a tick's job. Raises JobErrors."""
    options = call.options.copy()
    options["tick"] = planned.id
    options["run_at"] = planned.verdict.run_at
    options["expires_at"] = planned.verdict.expires_at
    # A lock of the kind's own is the same for every tick: the arguments are.
    if one_by_one and not registry.find_kind(call.kind).lock:
        options["lock_key"] = f"schedule:{task.pk}"
    return prepare_many([(call.kind, call.args, options)])[0]


def printable(text: str) -> str:
    """Return the text without what PostgreSQL's can't hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")


def rules_of(policy: Policy) -> Rules:
    """Return the policy's rules; the task's own expiry is the deadline where there is no other."""
    by = f" by {policy.paused_by}" if policy.paused_by else ""
    why = f": {policy.pause_reason}" if policy.pause_reason else ""
    deadline = policy.deadline or policy.periodic_task.expire_seconds
    deadline = deadline and min(deadline, LONGEST)
    return Rules(
        misfire=policy.misfire,
        limit=min(policy.misfire_limit, MOST_LATE),
        grace=min(policy.misfire_grace, LONGEST),
        overlap=policy.overlap,
        deadline=deadline,
        jitter=min(policy.jitter, deadline / 2 if deadline else LONGEST),
        seed=policy.pk,
        paused_at=policy.paused_at,
        paused_until=policy.paused_until,
        pause=f"paused{by}{why}"[:500],
    )


def _read(ids: Sequence[int]) -> list[Policy]:
    related = [f"periodic_task__{name}" for name in RELATED]
    policies = refresh.readable_rows(Policy.objects.select_related(*related), ids)
    if missing := set(ids) - {policy.pk for policy in policies}:
        logger.error("schedules that can't be read: %s", sorted(missing))
        faulty = Policy.objects.filter(pk__in=missing)
        faulty.update(next_fire_at=None, fault=refresh.UNREADABLE)
    return policies


def _fire(policies: Sequence[Policy], now: datetime, source: str) -> int:
    busy = sql.unfinished_jobs([policy.pk for policy in policies if policy.overlap == "skip"])
    planned_ticks: list[PlannedTick] = []
    steps: list[dict[str, Any]] = []
    for policy in policies:
        own, step = _judge(policy, now, source, busy.get(policy.pk))
        planned_ticks += own
        steps.append(step)
    fired = write_ticks(planned_ticks)
    sql.advance_schedules(steps)
    return len(fired)


def _judge(
    policy: Policy, now: datetime, source: str, busy: UUID | None
) -> tuple[list[PlannedTick], dict[str, Any]]:
    """Return the ticks to write for one schedule, and how far it comes."""
    task = policy.periodic_task
    step = {"task": policy.pk, "cursor": policy.cursor, "next_fire_at": None, "fault": ""}
    held = f"job {busy}" if busy else ""
    try:
        times = times_of(task, anchor=policy.anchor)
        decision = decide_ticks(times, rules_of(policy), cursor=policy.cursor, now=now, busy=held)
        upcoming = times.after(decision.cursor)
    except Exception as error:  # whatever is wrong with one schedule must not stop the others
        logger.error("the schedule %s can't fire", task.name, exc_info=error)
        fault = printable(f"can't fire: {type(error).__name__}: {error}")[:1000]
        return [], step | {"fault": fault}
    verdicts = _first_only(decision.verdicts) if task.one_off else decision.verdicts
    planned_ticks = list(
        _drafted(policy, [PlannedTick(policy.pk, verdict, source) for verdict in verdicts])
    )
    step |= {"cursor": decision.cursor, "next_fire_at": upcoming}
    if task.one_off and any(planned.draft for planned in planned_ticks):
        step["next_fire_at"] = None
    return planned_ticks, step


def _first_only(verdicts: Sequence[TickVerdict]) -> Iterator[TickVerdict]:
    """Pass verdicts on up to the first that fires: a one-off task runs a single time."""
    for verdict in verdicts:
        yield verdict
        if verdict.status == Status.FIRED:
            return


def _drafted(policy: Policy, planned_ticks: Sequence[PlannedTick]) -> Iterator[PlannedTick]:
    """Give each tick that fires its draft; what can't be called is skipped, with the reason."""
    task = policy.periodic_task
    for planned in planned_ticks:
        if planned.verdict.status == Status.FIRED:
            try:
                one_by_one = policy.overlap == "wait"
                planned.draft = draft_job(task, planned, call_of(task), one_by_one=one_by_one)
            except Exception as error:  # whatever is wrong with one must not stop the others
                meant = isinstance(error, InvalidSchedule | JobError)
                logger.error(
                    "the tick of %s could not fire: %s", task.name, error, exc_info=not meant
                )
                reason = printable(f"{UNCALLED}: {error}")[:1000]
                planned.verdict = TickVerdict(planned.verdict.at, Status.SKIPPED, reason)
        yield planned
