"""Dead letters: how many there are, of which errors, and those that nobody has dealt with."""

from datetime import UTC, datetime
from typing import Any

from celeriac.console.dashboard import links
from celeriac.console.sites import address
from celeriac.core import tables
from celeriac.core.queries import fetch_rows
from celeriac.jobs.models import Attempt
from celeriac.jobs.operating import dead

#: The newest dead jobs that are looked at one by one.
MOST = 1_000
#: And where somebody has dealt with all of these, since older ones may be of other kinds.
FURTHER = 20_000

#: By the index of dead jobs, and one probe into the attempts for each.
NEWEST = f"""
SELECT coalesce(nullif(a.error_class, ''), '(unknown)') AS error_class, d.kind, count(*),
       max(d.finished_at), count(*) FILTER (WHERE d.is_open),
       min(d.finished_at) FILTER (WHERE d.is_open), max(d.finished_at) FILTER (WHERE d.is_open),
       min(d.finished_at)
FROM (
    SELECT j.id, j.kind, j.attempt, j.finished_at,
           j.finished_at > greatest(done.upto, %(every)s::timestamptz) AS is_open
    FROM {tables.JOB} j
    LEFT JOIN unnest(%(kinds)s::text[], %(uptos)s::timestamptz[]) AS done(kind, upto)
        ON done.kind = j.kind
    WHERE j.state = 'dead' ORDER BY j.finished_at DESC LIMIT %(most)s
) d
LEFT JOIN LATERAL (
    SELECT error_class FROM {tables.ATTEMPT}
    WHERE job_id = d.id AND number = d.attempt ORDER BY id DESC LIMIT 1
) a ON true
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


def newest_parameters(most: int = MOST) -> dict[str, Any]:
    """Return the parameters of NEWEST."""
    done = dead.acknowledged_dead()
    every = done.pop("", datetime.min.replace(tzinfo=UTC))
    return {"most": most, "every": every, "kinds": list(done), "uptos": list(done.values())}


def read_dead_letters() -> dict[str, Any]:
    """Return the newest dead letters by class of error; `at_least` when there are more.

    `open` are those that nobody has dealt with: how many, since when, by kind.
    """
    for most in (MOST, FURTHER):
        asked = newest_parameters(most)
        rows = fetch_rows(NEWEST, asked)
        count, oldest = sum(row[2] for row in rows), min((row[7] for row in rows), default=None)
        # Nobody may have dealt with older ones of another kind.
        unseen = count >= most and oldest is not None and oldest > asked["every"]
        if not unseen or any(row[4] for row in rows):
            break
    return {
        "count": count,
        "at_least": count >= most,
        "unseen": unseen,
        "oldest": oldest,
        "newest": max((row[3] for row in rows), default=None),
        "url": address("admin:ops_dead_letters"),
        "open": _open(rows),
        "classes": _classes(rows),
    }


def _open(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    kinds: dict[str, int] = {}
    for _, kind, _, _, count, *_ in rows:
        if count:
            kinds[kind] = kinds.get(kind, 0) + count
    return {
        "count": sum(kinds.values()),
        "kinds": sorted(kinds.items(), key=lambda each: (-each[1], each[0])),
        "since": min((row[5] for row in rows if row[5]), default=None),
        "newest": max((row[6] for row in rows if row[6]), default=None),
    }


def _classes(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    classes = [
        {
            "error_class": name,
            "count": sum(row[2] for row in mine),
            "newest": max(row[3] for row in mine),
            "kind": mine[0][1] if len(mine) == 1 else f"{len(mine)} kinds",
            "url": links.list_link(Attempt, q=name),
        }
        for name, mine in found.items()
    ]
    return sorted(classes, key=lambda each: (-each["count"], each["error_class"]))
