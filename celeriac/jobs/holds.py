"""What holds a queued job back: one entry a reason, from which all else follows.

The claim and the dispatcher ask `condition`, each over the row `j`; so do the depths of the
queues, the backlog, the metrics and the job's page. A new reason is a new entry of `HOLDS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celeriac.breakers.sql import BLOCKED
from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs import registry

#: What a circuit does to its jobs that lets some of them go.
PROBE, RAMP = "probe", "ramp"


@dataclass(frozen=True, slots=True)
class HoldReason:
    """One reason: for programs, for the database, for people. Its comment says who sets it."""

    code: str
    #: SQL that says of the queued row `j` whether it holds; never NULL. Its parameters are
    #: those of `hold_parameters`.
    condition: str
    #: Of one job's page, where `{job}` and `{by}` may stand.
    sentence: str
    #: Of many jobs, where `{by}` may stand.
    title: str = ""
    #: What to do about it, for people.
    todo: str = ""
    #: Who holds the jobs of a queue and a kind, by name.
    by: Callable[[str, str], str] = lambda queue, kind: ""
    #: Whether people call a job parked that it holds.
    parks: bool = True
    #: Whether the claim's statement asks for it, and whether the dispatcher does of each job.
    claimed: bool = True
    when_ringing: bool = True


def pause_condition(at: str, until: str) -> str:
    """Return SQL that says whether a pause holds, by its two columns."""
    return f"{at} IS NOT NULL AND ({until} IS NULL OR {until} > (SELECT {NOW}))"


#: By who enqueued it, by a snooze, a retry's backoff or a release. The dispatcher reads its
#: queue's index up to now.
TIME = HoldReason(
    "time",
    f"j.run_at > (SELECT {NOW})",
    "{word} at {when}",
    todo="Nothing, it starts by itself; or let it run now.",
    parks=False,
    when_ringing=False,
)
#: By who enqueued it; it binds the first start only.
EXPIRED = HoldReason(
    "expired",
    f"j.attempt = 0 AND j.expires_at IS NOT NULL AND j.expires_at <= (SELECT {NOW})",
    "expired at {when} and will be cancelled",
    todo="Once it is cancelled, retry it: a retry has no deadline.",
    parks=False,
)
#: By an operator. The dispatcher rings nobody of such a queue.
PAUSED = HoldReason(
    "paused",
    # Read once a statement, by the index of the few queues that are paused: not once a row.
    f"""(j.queue = ANY (ARRAY(
          SELECT q.name FROM {tables.QUEUE} q
          WHERE {pause_condition("q.paused_at", "q.paused_until")})))""",
    "the queue {by} is paused",
    "the queue {by} is paused",
    by=lambda queue, kind: queue,
    when_ringing=False,
)
#: By the calls of a provider that failed, or an operator. The dispatcher leaves such kinds out.
CIRCUIT = HoldReason(
    "circuit",
    f"""(j.kind = ANY (ARRAY(
          SELECT g.kind FROM unnest(%(guarded)s::text[], %(breakers)s::text[]) AS g(kind, breaker)
          WHERE g.breaker IN ({BLOCKED}))))""",
    "the circuit {by} is open",
    "the circuit {by} is open",
    by=lambda queue, kind: dict(registry.guarded_kinds()).get(kind, ""),
    when_ringing=False,
)
#: By a running job of the same lock. A unique index lets no second one be claimed.
LOCK = HoldReason(
    "lock",
    f"""(j.lock_key IS NOT NULL AND EXISTS (
    SELECT FROM {tables.JOB} r WHERE r.state = 'running' AND r.lock_key = j.lock_key))""",
    "job {holder.id} ({holder.kind}) holds the lock {job.lock_key!r}",
    "another job holds their lock",
    todo="Wait until that job ends; if it is stuck, cancel it.",
    claimed=False,
)
#: By a deploy that left the kind out, or that has not reached this process.
UNKNOWN_KIND = HoldReason(
    "unknown_kind",
    "j.kind <> ALL (%(kinds)s)",
    "no job of kind {job.kind!r} is declared here",
    "nobody declares their kind",
    todo="Deploy workers with the code that declares this kind; it waits, and is never killed.",
)

#: The gravest first.
HOLDS: tuple[HoldReason, ...] = (EXPIRED, TIME, PAUSED, CIRCUIT, LOCK, UNKNOWN_KIND)


def free_condition(holds: Sequence[HoldReason]) -> str:
    """Return SQL that says of the row `j` that none of `holds` holds it."""
    conditions = [f"NOT {_enclosed(hold.condition)}" for hold in holds]
    # An AND among columns is tried in its order: what looks at other rows comes last.
    return "\n      AND ".join(sorted(conditions, key=lambda text: "SELECT FROM" in text))


def parking_code(holds: Sequence[HoldReason]) -> str:
    """Return SQL for the code of the gravest of `holds` that parks the row `j`, '' for none."""
    cases = [f"WHEN {hold.condition} THEN '{hold.code}'" for hold in holds if hold.parks]
    return f"CASE {' '.join(cases)} ELSE '' END"


def hold_parameters() -> dict[str, Any]:
    """Return the parameters of the conditions, by what this process declares."""
    guarded = registry.guarded_kinds()
    return {
        "kinds": registry.kind_names(),
        "guarded": [kind for kind, _ in guarded],
        "breakers": [breaker for _, breaker in guarded],
    }


def _enclosed(condition: str) -> str:
    return condition if condition.startswith(("EXISTS", "(")) else f"({condition})"
