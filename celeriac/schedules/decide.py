"""What becomes of each tick: the policies. Pure: no Django.

In order: a paused tick is skipped; late ones are judged by the misfire policy; one
whose deadline has passed is skipped; then the overlap policy looks at what runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zlib import crc32

from celeriac.schedules.times import Due, Times, due_ticks, ticks_between

#: Missed ticks that get a row of their own; older ones are counted in the oldest row.
ROWS = 100
#: Ticks of one schedule that are decided at a time.
BATCH = 500
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy's rules; spans in seconds."""

    misfire: str = "once"
    limit: int = 100
    grace: float = 60.0
    overlap: str = "allow"
    deadline: float | None = None
    jitter: float = 0.0
    seed: int = 0
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    pause: str = "paused"

    def is_paused(self, moment: datetime) -> bool:
        """Whether the moment lies in the pause."""
        if self.paused_at is None or moment < self.paused_at:
            return False
        return self.paused_until is None or moment < self.paused_until


@dataclass(frozen=True, slots=True)
class TickVerdict:
    """What becomes of one tick; `fired` ones say when their job may and must start."""

    at: datetime
    status: str
    reason: str = ""
    run_at: datetime | None = None
    expires_at: datetime | None = None
    missed_before: int = 0
    missed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdicts, oldest first, and the moment up to which every tick is now decided."""

    verdicts: tuple[TickVerdict, ...]
    cursor: datetime


def decide_ticks(
    times: Times, rules: Rules, *, cursor: datetime, now: datetime, busy: str = ""
) -> Decision:
    """Judge every tick after `cursor`, up to `now` or to as many as fit in one batch.

    `busy` names an unfinished job of an earlier tick, or is empty.
    """
    edge = now - timedelta(seconds=rules.grace) - _MICRO  # ticks up to here are late
    late = due_ticks(times, cursor, edge, keep=rules.limit + ROWS + 1) if cursor < edge else Due(())
    fresh: list[datetime] = []
    reached = now
    for tick in ticks_between(times, max(cursor, edge), now):
        if len(fresh) == BATCH:
            reached = fresh[-1]
            break
        fresh.append(tick)
    verdicts = _merged(_paused(late, fresh, rules, now), rules, now, busy)
    return Decision(tuple(_rows(verdicts, late)), max(cursor, reached))


def _paused(
    late: Due, fresh: Sequence[datetime], rules: Rules, now: datetime
) -> Iterator[tuple[datetime, bool, str]]:
    """Iterate over `(tick, is late, why it is skipped)`."""
    stopped = rules.is_paused(now)
    for ticks, is_late in ((late.ticks, True), (fresh, False)):
        for tick in ticks:
            yield tick, is_late, rules.pause if stopped or rules.is_paused(tick) else ""


def _merged(
    ticks: Iterator[tuple[datetime, bool, str]], rules: Rules, now: datetime, busy: str
) -> list[TickVerdict]:
    found = list(ticks)
    candidates = [(tick, is_late) for tick, is_late, why in found if not why]
    missed = dict(_misfired(candidates, rules))
    verdicts: list[TickVerdict] = []
    for tick, _, why in found:
        if why:
            verdicts.append(TickVerdict(tick, "skipped", why))
        elif tick in missed:
            verdicts.append(TickVerdict(tick, "missed", missed[tick]))
        else:
            verdict = _fire(tick, rules, now, busy)
            if verdict.status == "fired" and rules.overlap == "skip":
                busy = f"the job of {tick:%Y-%m-%d %H:%M:%S} UTC"
            verdicts.append(verdict)
    return verdicts


def _misfired(
    candidates: Sequence[tuple[datetime, bool]], rules: Rules
) -> Iterator[tuple[datetime, str]]:
    """Iterate over the ticks that the misfire policy drops, and why."""
    late = [tick for tick, is_late in candidates if is_late]
    if not late:
        return
    if rules.misfire == "skip":
        for tick in late:
            yield tick, f"nobody fired it within {rules.grace:g} s"
    elif rules.misfire == "once":
        newest = candidates[-1][0]
        for tick, _ in candidates[:-1]:
            yield tick, f"one run for all of them: {newest:%Y-%m-%d %H:%M:%S} UTC"
    else:
        for tick in late[: max(0, len(late) - rules.limit)]:
            yield tick, f"more than {rules.limit} were late"


def _fire(tick: datetime, rules: Rules, now: datetime, busy: str) -> TickVerdict:
    expires_at = tick + timedelta(seconds=rules.deadline) if rules.deadline else None
    if expires_at is not None and expires_at <= now:
        return TickVerdict(tick, "skipped", f"its deadline of {rules.deadline:g} s has passed")
    if busy and rules.overlap == "skip":
        return TickVerdict(tick, "skipped", f"overlap: {busy} has not finished")
    return TickVerdict(tick, "fired", run_at=tick + _spread(tick, rules), expires_at=expires_at)


def _spread(tick: datetime, rules: Rules) -> timedelta:
    """Return a delay within the jitter: the same for everybody who computes it."""
    if not rules.jitter:
        return timedelta()
    share = crc32(f"{rules.seed}:{tick.timestamp()}".encode()) / 2**32
    return timedelta(seconds=rules.jitter * share)


def _rows(verdicts: Sequence[TickVerdict], late: Due) -> Iterator[TickVerdict]:
    """Fold the oldest missed ticks into a count on the first row that remains."""
    missed = [verdict for verdict in verdicts if verdict.status == "missed"]
    folded = {verdict.at for verdict in missed[: max(0, len(missed) - ROWS)]}
    count = late.cut + len(folded)
    since = late.cut_since or min(folded, default=None)
    for verdict in verdicts:
        if verdict.at in folded:
            continue
        if count and verdict.status == "missed":
            verdict = replace(verdict, missed_before=count, missed_since=since)
            count = 0
        yield verdict
