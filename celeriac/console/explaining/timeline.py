"""What happened to a job, in order: enqueued, held, run, failed, rescued, cancelled, retried."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from celeriac.breakers.models import Transition
from celeriac.console.explaining import runs
from celeriac.console.explaining.facts import Facts
from celeriac.console.explaining.queued import job_page
from celeriac.core.models import Audit
from celeriac.jobs import redaction
from celeriac.jobs.job_pages import JobPageSection
from celeriac.jobs.models import JobKey
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.phrases import Event, Link, clock_time
from celeriac.jobs.states import State

#: Of what happened around it, the latest so many.
MOST = 20

_VERBS = {
    **{
        action.audited: (action.event, "warn" if action.is_dangerous else "info")
        for action in ACTIONS.values()
    },
    "queue.pause": ("Its queue was paused", "warn"),
    "queue.resume": ("Its queue was resumed", "info"),
}
#: What an audit row says of a bulk action, besides what it changed.
_OF_MANY = ("bulk", "verb", "cutoff", "command")
_CIRCUIT = {"open": "bad", "closed": "good", "half_open": "warn"}


def job_timeline(facts: Facts, sections: Sequence[JobPageSection]) -> list[Event]:
    """Return the events of a job, oldest first; what is to come stands last."""
    events = [
        *_enqueued(facts),
        *_operated(facts),
        *_paused(facts),
        *_circuits(facts),
        *runs.run_events(facts),
        *_children(facts),
        *_ended(facts),
        *_to_come(facts),
        *(event for each in sections for event in each.events),
    ]
    return sorted(events, key=lambda event: event.at)


def parent_of(job_id: UUID) -> str:
    """Return the id of the job that enqueued this one from its handler, or ''."""
    keys = JobKey.objects.filter(job_id=job_id, scope__startswith="job:")
    scope = keys.values_list("scope", flat=True).first()
    return scope.removeprefix("job:") if scope else ""


def _enqueued(facts: Facts) -> Iterator[Event]:
    job = facts.job
    who = f"by {job.enqueued_by}" if job.enqueued_by else "by a schedule" if job.tick else ""
    request = _request(facts)
    text = " ".join(filter(None, [who, request and f"in {request}"]))
    links: list[Link] = []
    if request:
        same = Link(
            "everything of it",
            "admin:celeriac_jobs_job_changelist",
            query=f"q={job.correlation_id}",
        )
        links.append(same)
    if parent := parent_of(job.id):
        text, links = f"{text} by a job's handler".strip(), [*links, job_page(parent)]
    yield Event(job.created_at, "Enqueued", text, links=tuple(links))


def _request(facts: Facts) -> str:
    """A job enqueued outside of any request bears its own id."""
    name = facts.job.correlation_id
    return f"request {name}" if name and name != str(facts.job.id) else ""


def _operated(facts: Facts) -> Iterator[Event]:
    for audit in facts.audits:
        yield _audited(audit, facts)
    asked = facts.job.cancel_requested_at
    if asked and facts.cancel is None:
        yield Event(asked, "Cancel asked for", tone="warn")


def _audited(audit: Audit, facts: Facts) -> Event:
    title, tone = _VERBS.get(audit.verb, (audit.verb, "info"))
    changes = ", ".join(_changes(audit, facts))
    who = f"by {audit.actor_name}" if audit.actor_name else ""
    text = ": ".join(filter(None, [who, audit.reason]))
    if changes:
        text += f" ({facts.redactor.text(changes)})"
    if audit.target_id:
        return Event(audit.at, title, text, tone)
    many = Link("with the others of a filter", "admin:celeriac_core_audit_change", (str(audit.pk),))
    return Event(audit.at, title, text, tone, links=(many,))


def _changes(audit: Audit, facts: Facts) -> Iterator[str]:
    """Yield what the audit says was changed; of edited arguments, those that differ."""
    details = {name: value for name, value in audit.details.items() if name not in _OF_MANY}
    kind, old, new = facts.job.kind, details.pop("args_before", {}), details.pop("args_after", {})
    shown = [redaction.redactor_for(kind, args).args(args) for args in (old, new)]
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name}: {shown[0].get(name)} → {shown[1].get(name)}"
    yield from (f"{name}: {value}" for name, value in details.items())


def _paused(facts: Facts) -> Iterator[Event]:
    found = Audit.objects.filter(target_type="queue", target_id=facts.job.queue)
    for audit in found.filter(at__range=_lifetime(facts)).order_by("-at")[:MOST]:
        yield _audited(audit, facts)


def _circuits(facts: Facts) -> Iterator[Event]:
    name = facts.kind.breaker if facts.kind else None
    if name is None:
        return
    found = Transition.objects.filter(breaker_id=name, at__range=_lifetime(facts))
    for move in found.order_by("-at")[:MOST]:
        page = Link(f"Breaker {name}", "admin:celeriac_breakers_breaker_change", (name,))
        title = f"Circuit {name}: {move.from_state} → {move.to_state}".replace("_", "-")
        text = ", ".join(filter(None, [move.reason, facts.redactor.text(move.last_error)]))
        tone = _CIRCUIT.get(move.to_state, "info")
        yield Event(move.at, title, text, tone, links=(page,))


def _lifetime(facts: Facts) -> tuple[datetime, datetime]:
    return facts.job.created_at, facts.job.finished_at or facts.now


def _children(facts: Facts) -> Iterator[Event]:
    found = JobKey.objects.filter(scope=f"job:{facts.job.id}").order_by("created_at")
    for key in found[:MOST]:
        links = (job_page(str(key.job_id)),)
        yield Event(key.created_at, "Enqueued a job of its own", f"step {key.key}", links=links)


def _ended(facts: Facts) -> Iterator[Event]:
    job = facts.job
    if job.state != State.CANCELLED or job.finished_at is None:
        return
    if job.superseded_by is not None:
        links = (job_page(str(job.superseded_by)),)
        yield Event(
            job.finished_at, "Superseded", "a newer job took its place", "idle", links=links
        )
    elif job.error.startswith("expired:"):
        yield Event(job.finished_at, "Expired", facts.redactor.text(job.error), "warn")
    else:
        yield Event(job.finished_at, "Cancelled", facts.redactor.text(job.error), "idle")


def _to_come(facts: Facts) -> Iterator[Event]:
    job = facts.job
    if job.state == State.QUEUED and job.run_at > facts.now:
        why = facts.redactor.text(job.wait_reason)
        yield Event(job.run_at, "Due", why, "idle")
    if job.state == State.QUEUED and job.expires_at and not job.attempt:
        text = f"cancelled if nothing has started it by {clock_time(job.expires_at)}"
        yield Event(job.expires_at, "Expires", text, "idle")
