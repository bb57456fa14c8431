"""What an operator can do to a job: one record an action, from which all else derives.

Buttons of a job's page and the list's bulk actions (console/actions/buttons.py), calls over HTTP
(http/urls.py), commands (`manage.py jobs`), permissions (models/job.py) and what groups are given
(console/actions/roles.py) take what they need from here. A statement takes its rows in id order,
only those whose state the action names, and returns those it moved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celeriac.core import tables
from celeriac.core.clock import NOW
from celeriac.jobs.callbacks import sql as callbacks
from celeriac.jobs.states import UNFINISHED, State, Verb, sources

#: What a retry may queue again.
_ENDED = sources(Verb.REVIVE)
_MOVED = "j.id, j.state, j.queue, j.priority, j.run_at, j.node"
_CHOSEN = f"""
    SELECT id FROM {tables.JOB}
    WHERE id = ANY(%(ids)s) AND state = ANY(%(states)s) ORDER BY id FOR UPDATE
"""

#: Waiting or queued: over at once. Running: asked; no index or predicate knows it, so it is HOT.
CANCEL = f"""
WITH asked AS (
    UPDATE {tables.JOB} j
    SET state = CASE WHEN j.state <> 'running' THEN 'cancelled' ELSE j.state END,
        finished_at = CASE WHEN j.state <> 'running' THEN {NOW} ELSE j.finished_at END,
        error = CASE WHEN j.state <> 'running' THEN %(error)s ELSE j.error END,
        wait_reason = '',
        cancel_requested_at = coalesce(j.cancel_requested_at, {NOW})
    FROM ({_CHOSEN}) AS chosen
    WHERE j.id = chosen.id
    RETURNING {_MOVED}, {callbacks.OWED}
), called AS ({callbacks.enqueue_from("asked")}
)
SELECT id, state, queue, priority, run_at, node, callback IS NOT NULL FROM asked
"""

#: Of several rows with one unique key the newest, and none whose key is queued.
_REVIVED = f"""
WITH held AS MATERIALIZED (
    SELECT id, kind, unique_key FROM {tables.JOB}
    WHERE id = ANY(%(ids)s) AND state = ANY(%(states)s) AND state <> 'queued'
    ORDER BY id FOR UPDATE
), chosen AS (
    SELECT DISTINCT ON (kind, coalesce(unique_key, id::text), unique_key IS NULL) id
    FROM held
    WHERE unique_key IS NULL OR NOT EXISTS (
        SELECT FROM {tables.JOB} t
        WHERE t.kind = held.kind AND t.unique_key = held.unique_key AND t.state = 'queued')
    ORDER BY kind, coalesce(unique_key, id::text), unique_key IS NULL, id DESC
), revived AS (
    UPDATE {tables.JOB} j
    SET state = 'queued', run_at = {NOW}, failures = 0, losses = 0, cuts = 0, expires_at = NULL,
        cancel_requested_at = NULL, superseded_by = NULL, finished_at = NULL, result = NULL,
        error = '', progress = NULL, wait_reason = ''
    FROM chosen
    WHERE j.id = chosen.id
    RETURNING {_MOVED}
)
SELECT * FROM revived
"""

#: One that is queued waits on as it did.
_EDITED = f"""
{_REVIVED}
UNION ALL
SELECT {_MOVED} FROM {tables.JOB} j WHERE j.id = ANY(%(ids)s) AND j.state = 'queued'
"""


def update_of_chosen(change: str) -> str:
    """Return the statement that changes columns of jobs (`j`) and nothing else of their lives."""
    return f"""
    UPDATE {tables.JOB} j SET {change} FROM ({_CHOSEN}) AS chosen
    WHERE j.id = chosen.id RETURNING {_MOVED}
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that can be done to jobs: of which states, by whom, by what statement."""

    name: str
    #: On its button, and before the "…" of the list's bulk action.
    label: str
    #: What its dialog asks, and what there is to know besides.
    title: str
    description: str = ""
    #: The text of the dialog's button, where the label would mislead.
    submit: str = ""
    #: How the job's timeline calls it.
    event: str = "Changed"
    #: What a job was, and what became of many: "retried", "queued again".
    past: str
    done: str
    #: What is said of one job, a text over the fields' values; `done` by default.
    message: str = ""
    states: tuple[State, ...]
    statement: str
    #: The permission's codename, and what the admin calls it.
    codename: str
    permits: str
    #: What the audit trail calls it, and which facts it adds there.
    audited: str = "job.change"
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: What must be said besides a reason: names of `console.actions.forms.FIELDS`.
    fields: tuple[str, ...] = ()
    is_dangerous: bool = False
    #: Where it is offered besides the job's page.
    in_bulk: bool = True
    over_http: bool = False
    as_command: bool = False

    @property
    def permission(self) -> str:
        """The permission as Django asks for it."""
        return f"celeriac_jobs.{self.codename}"

    @property
    def from_states(self) -> str:
        """The states in words: "queued, dead or cancelled"."""
        *others, last = self.states
        return " or ".join(filter(None, [", ".join(others), last]))


def actions_by_name(*actions: Action) -> dict[str, Action]:
    """Return a registry of actions."""
    return {action.name: action for action in actions}


def permissions_of(actions: Iterable[Action]) -> list[tuple[str, Any]]:
    """Return what Django makes permissions of."""
    return [(action.codename, action.permits) for action in actions]


ACTIONS = actions_by_name(
    Action(
        name="retry",
        label="Retry",
        title="Queue this job again",
        event="Queued again",
        past="retried",
        done="queued again",
        states=_ENDED,
        statement=_REVIVED,
        codename="retry_job",
        permits="Can queue ended jobs again",
        audited="job.retry",
        over_http=True,
        as_command=True,
    ),
    Action(
        name="cancel",
        label="Cancel",
        title="Cancel this job",
        description="A job that waits ends at once; a running one at its handler's next look.",
        submit="Cancel the job",  # beside a button that closes the dialog
        event="Cancel asked for",
        past="cancelled",
        done="cancelled, or asked to stop",
        states=UNFINISHED,
        statement=CANCEL,
        codename="cancel_job",
        permits="Can cancel jobs",
        audited="job.cancel",
        is_dangerous=True,
        over_http=True,
        as_command=True,
    ),
    Action(
        name="run_now",
        label="Run now",
        title="Make this job due now",
        description="Its queue, circuit and lock still have their say.",
        past="changed",
        done="due now",
        states=(State.QUEUED,),
        statement=update_of_chosen(f"run_at = least(j.run_at, {NOW})"),
        codename="run_job_now",
        permits="Can make queued jobs due now",
        facts={"run_now": True},
    ),
    Action(
        name="priority",
        label="Change priority",
        title="Change how urgent this job is",
        past="changed",
        done="changed",
        message="Its priority is {priority} now.",
        states=(State.QUEUED,),
        statement=update_of_chosen("priority = %(priority)s"),
        codename="change_job_priority",
        permits="Can change the priority of queued jobs",
        fields=("priority",),
    ),
    Action(
        name="queue",
        label="Change queue",
        title="Move this job to another queue",
        past="changed",
        done="moved",
        message="It waits in {queue} now.",
        states=(State.QUEUED,),
        statement=update_of_chosen("queue = %(queue)s"),
        codename="change_job_queue",
        permits="Can move queued jobs to another queue",
        fields=("queue",),
    ),
    Action(
        name="edit",
        label="Edit arguments and retry",
        title="Edit the arguments and queue this job again",
        description="A job that still waits waits on. The audit trail keeps the old ones.",
        event="Arguments edited",
        past="edited",
        done="edited, and queued",
        states=(State.QUEUED, *_ENDED),
        statement=_EDITED,
        codename="edit_job_args",
        permits="Can edit the arguments of jobs and queue them again",
        audited="job.edit",
        fields=("args",),
        in_bulk=False,
    ),
)
