"""What a fault cost, read from the ledger, the effects and the handlers' own notes."""

from dataclasses import dataclass, field
from itertools import pairwise

#: Seconds over which a rate is judged, and the share of it that is called recovered.
SPAN, SHARE = 5, 0.98
#: Seconds after a fault's end in which the platform must have recovered, and finished.
RECOVERY, FINISH = 30, 60

_ROWS = """
SELECT id::text, kind, state, attempt, failures, losses, (result #>> '{}'), error,
       extract(epoch FROM created_at)::float8, extract(epoch FROM finished_at)::float8
FROM celeriac_jobs_job WHERE tenant = %s
"""
_EFFECTS = """
SELECT j.id::text, count(e.id) FROM celeriac_jobs_job j
LEFT JOIN test_effect e ON e.name = 'once:' || j.id::text
WHERE j.tenant = %s AND j.kind = 'chaos.once' GROUP BY j.id
"""


@dataclass
class Finding:
    """What one fault cost; `broken` are the promises that did not hold, in words."""

    name: str
    jobs: int
    lost: int
    duplicate_effects: int
    stale_accepted: int
    lock_overlaps: int
    failures: int
    losses: int
    charged_without_cause: int
    stuck: int
    recovery_ratio: float
    recovered_in_s: float | None
    broken: list[str] = field(default_factory=list)


def examine(environment, fault, load, ended_at, stopped_at, note):
    """Return the finding; times are epoch seconds of the database, `note` what broke meanwhile."""
    with environment.connect() as connection:
        rows = connection.execute(_ROWS, [load.tenant]).fetchall()
        effects = dict(connection.execute(_EFFECTS, [load.tenant]).fetchall())
    states = {row[0]: row[2] for row in rows}
    failures, losses = (sum(row[column] for row in rows) for column in (4, 5))
    ratio, recovered = recovery(
        [row[8] for row in rows], [row[9] for row in rows if row[9]], ended_at, stopped_at
    )
    found = Finding(
        name=fault.name,
        jobs=len(rows),
        lost=len({str(one) for one in load.ids} - states.keys())
        + sum(1 for job, count in effects.items() if states[job] == "succeeded" and not count),
        duplicate_effects=sum(count - 1 for count in effects.values() if count > 1),
        stale_accepted=sum(1 for r in rows if r[2] == "succeeded" and r[6] != str(r[3])),
        lock_overlaps=overlaps(environment.directory),
        failures=failures,
        losses=losses,
        charged_without_cause=failures + (0 if fault.kills else losses),
        stuck=sum(1 for state in states.values() if state in {"queued", "running"}),
        recovery_ratio=ratio,
        recovered_in_s=recovered,
    )
    found.broken = list(broken(found, note, [row[7] for row in rows if row[7]]))
    return found


def broken(found, note, errors):
    """Yield the promises that did not hold."""
    for name in ("lost", "duplicate_effects", "stale_accepted", "lock_overlaps", "stuck"):
        if getattr(found, name):
            yield f"{name}: {getattr(found, name)}"
    if found.charged_without_cause:
        yield f"charged without cause: {found.failures} failures, {found.losses} losses"
        yield from (f"  {error}" for error in sorted(set(errors))[:5])
    if found.recovered_in_s is None:
        yield f"not recovered: {found.recovery_ratio:.2f} of the rate at best"
    elif found.recovered_in_s > RECOVERY:
        yield f"recovered after {found.recovered_in_s:.0f} s"
    if note:
        yield note


def recovery(created, finished, ended_at, stopped_at):
    """Return the best ratio of jobs finished to jobs offered, and when it was first enough.

    Both over `SPAN` seconds that lie between the fault's end and the load's; seconds after the end.
    """
    best, step = 0.0, 0.25
    start = ended_at
    while start + SPAN <= stopped_at + step:
        offered = sum(1 for at in created if start <= at < start + SPAN)
        done = sum(1 for at in finished if start <= at < start + SPAN)
        if offered:
            best = max(best, done / offered)
        if offered and done >= SHARE * offered:
            return round(done / offered, 3), round(start - ended_at, 2)
        start += step
    return round(best, 3), None


def overlaps(directory):
    """Return how many runs under one lock began before the last one under it had ended."""
    held = {}
    for path in directory.glob("locks-*"):
        for line in path.read_text().splitlines():
            parts = line.split()
            if len(parts) == 3:
                held.setdefault(parts[0], []).append((float(parts[1]), float(parts[2])))
        path.unlink()
    return sum(
        1
        for spans in held.values()
        for (_, end), (start, _) in pairwise(sorted(spans))
        if start < end
    )
