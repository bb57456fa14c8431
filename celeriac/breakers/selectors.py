"""Reading breakers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from celeriac.breakers import options as options_module, sql
from celeriac.breakers.errors import BreakerError
from celeriac.breakers.models import Breaker
from celeriac.breakers.registry import get_breaker
from celeriac.breakers.replies import BreakerState, Snapshot
from celeriac.core import clock
from celeriac.core.clock import Now
from celeriac.core.queries import fetch_rows


@dataclass(frozen=True, slots=True)
class CircuitAllowance:
    """What jobs of one breaker may do, by the database's clock.

    `blocked`: none may go, until `blocked_until` (None: until an operator says so).
    `probe_only`: one may go, and until it has ended no other; while one is known to be
    under way, `probing_until` is when its permit ends. `ramp_per_second`:
    so many may go each second (None: any number); the ramp counts from `closed_at`.
    """

    blocked: bool = False
    blocked_until: datetime | None = None
    probe_only: bool = False
    probing_until: datetime | None = None
    ramp_per_second: float | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """One breaker as an operator sees it. `state` is what holds now, forces included.

    `calls`, `failures` and `slow` are those of the window; `failures_in_a_row` are the failures
    since the last success.
    """

    name: str
    state: str
    until: datetime | None
    forced: str
    forced_by: str
    forced_reason: str
    calls: int
    failures: int
    slow: int
    failure_rate: float
    failures_in_a_row: int
    opened_count: int
    last_error: str
    changed_at: datetime | None
    #: Since when it stands so: an open circuit since it opened first, whatever probes said.
    since: datetime | None
    options: dict[str, Any]


def circuit_allowances(names: Iterable[str]) -> dict[str, CircuitAllowance]:
    """Return what jobs of each breaker may do, in one query; an unheard-of one lets all pass."""
    wanted = list(names)
    found = dict.fromkeys(wanted, CircuitAllowance())
    return found | {row[0]: _allowance(*row) for row in fetch_rows(sql.ADMISSION, [wanted])}


def breaker_statuses(names: Iterable[str] | None = None) -> list[BreakerStatus]:
    """Return every declared breaker, and every other that was ever heard of, by name."""
    rows = {row.name: row for row in Breaker.objects.all()}
    wanted = sorted(
        set(options_module.declared_breakers()) | set(rows) if names is None else set(names)
    )
    now = clock.db_now()
    return [_status(name, rows.get(name), now) for name in wanted]


def status_of(row: Breaker) -> BreakerStatus:
    """Return the status of one breaker whose row was read just now."""
    return _status(row.name, row, timezone.now())


def force_in_words(name: str) -> str:
    """Return who forces the breaker open now, and why; '' where nobody does."""
    standing = Q(forced_until=None) | Q(forced_until__gt=Now())
    row = Breaker.objects.filter(standing, name=name, forced=BreakerState.OPEN).first()
    if row is None:
        return ""
    why = f" ({row.forced_reason})" if row.forced_reason else ""
    return f"{row.forced_by or 'somebody'} forced it open{why}"


def _allowance(
    name: str,
    forced: str,
    forced_until: datetime | None,
    state: str,
    open_until: datetime | None,
    overrides: str,
    released_at: datetime | None,
    probing: datetime | None,
    now: datetime,
) -> CircuitAllowance:
    if forced == BreakerState.OPEN:
        return CircuitAllowance(blocked=True, blocked_until=forced_until, closed_at=released_at)
    if forced == BreakerState.CLOSED:
        return CircuitAllowance(closed_at=released_at)
    if state == BreakerState.OPEN and open_until and open_until > now:
        return CircuitAllowance(blocked=True, blocked_until=open_until, closed_at=released_at)
    if state != BreakerState.CLOSED:
        return CircuitAllowance(probe_only=True, probing_until=probing, closed_at=released_at)
    options = _options(name, json.loads(overrides))
    rate = None
    if options is not None and released_at is not None:
        rate = options.ramp_rate((now - released_at).total_seconds())
    return CircuitAllowance(ramp_per_second=rate, closed_at=released_at)


def _options(name: str, overrides: Any) -> options_module.Options | None:
    try:
        return options_module.breaker_options(name).using(overrides)
    except (BreakerError, TypeError):
        return None


def _status(name: str, row: Breaker | None, now: datetime) -> BreakerStatus:
    row = row or Breaker(name=name, state="closed", opened_count=0, forced="", last_error="")
    options = _options(name, row.overrides)
    seen = get_breaker(name).storage.peek() if options else None
    state, until = (str(seen.state) if seen else row.state), row.open_until
    if seen and seen.state is BreakerState.OPEN:
        until = now + timedelta(seconds=seen.open_for)
    forced = row.forced if row.forced_until is None or row.forced_until > now else ""
    shown, counts = sorted(options_module.TUNABLE), seen or Snapshot()
    return BreakerStatus(
        name=name,
        state=f"forced {forced}" if forced else state,
        until=row.forced_until if forced else until,
        forced=forced,
        forced_by=row.forced_by if forced else "",
        forced_reason=row.forced_reason if forced else "",
        calls=counts.calls,
        failures=counts.failures,
        slow=counts.slow,
        failure_rate=counts.failures / counts.calls if counts.calls else 0.0,
        failures_in_a_row=counts.in_a_row,
        opened_count=seen.opened if seen else row.opened_count,
        last_error=row.last_error,
        since=_since(row, forced, state),
        changed_at=row.changed_at if isinstance(row.changed_at, datetime) else None,
        options={name: getattr(options, name) for name in shown if options},
    )


def _since(row: Breaker, forced: str, state: str) -> datetime | None:
    if forced:
        return row.forced_at
    began = row.closed_at if state == BreakerState.CLOSED else row.opened_at
    changed = row.changed_at if isinstance(row.changed_at, datetime) else None
    return began or changed
