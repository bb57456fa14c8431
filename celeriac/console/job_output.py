"""Jobs as plain facts, for commands and whoever prints them. Secrets are redacted."""

from typing import Any
from uuid import UUID

from celeriac.console.explaining.explain import explanation_of, queued_reasons, view_of_job
from celeriac.console.explaining.facts import gather_facts
from celeriac.console.explaining.timeline import job_timeline
from celeriac.jobs import redaction
from celeriac.jobs.errors import JobNotFound
from celeriac.jobs.job_pages import sections_of
from celeriac.jobs.models import Job
from celeriac.jobs.phrases import Event

_SUMMARY = [
    "id",
    "kind",
    "queue",
    "priority",
    "args",
    "state",
    "run_at",
    "attempt",
    "failures",
    "error",
]
_WAIT = ("code", "sentence", "until", "by")
_ATTEMPT = ["number", "outcome", "worker", "started_at", "finished_at", "error_class", "message"]


def find_job(job_id: UUID) -> Job:
    """Return the job; JobNotFound where there is none."""
    found = Job.objects.filter(pk=job_id).first()
    if found is None:
        raise JobNotFound(f"There is no job {job_id}: it was pruned, or never committed.")
    return found


def redacted_job(job: Job) -> dict[str, Any]:
    """Return what a job was given, gave back and said, its secrets redacted (`redact=`).

    Every entry point that shows a job takes these from here: `args`, `result`, `progress`,
    `error`, `wait_reason`.
    """
    redactor = redaction.redactor_for(job.kind, job.args)
    return {
        "args": redactor.args(job.args),
        "result": redactor.result(job.result),
        "progress": redactor.result(job.progress),
        "error": redactor.text(job.error),
        "wait_reason": redactor.text(job.wait_reason),
    }


def job_facts(job: Job) -> dict[str, Any]:
    """Return every field of the row, by name."""
    whole = {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields}
    return whole | redacted_job(job)


def job_summary(job: Job) -> dict[str, Any]:
    """Return what a list shows of a job, with what people call its state."""
    whole = job_facts(job)
    return {name: whole[name] for name in _SUMMARY} | {"view": view_of_job(job)}


def job_report(job: Job) -> dict[str, Any]:
    """Return everything about a job: its row, why it waits or how it ended, what happened."""
    known, sections = gather_facts(job), sections_of(job)
    said = explanation_of(known, sections)
    runs = [
        {name: getattr(attempt, name) for name in _ATTEMPT}
        | {"message": known.redactor.text(attempt.message)}
        for attempt in known.attempts
    ]
    return {
        "explanation": said.as_dict(),
        **job_facts(job),
        "waiting": [
            {name: getattr(wait, name) for name in _WAIT} for wait in queued_reasons(known)
        ],
        "attempts": runs,
        "timeline": [_plain_event(event) for event in job_timeline(known, sections)],
    }


def explanation_text(said: dict[str, Any]) -> str:
    """Return an explanation as text: the sentence, what else holds, what to do."""
    lines = [said["sentence"], *said["also"]]
    for step in said["steps"]:
        how = step["command"] or (f"in the admin: {step['verb']}" if step["verb"] else "")
        lines.append(f"→ {step['text']}" + (f" [{how}]" if how else ""))
    return "\n".join(lines)


def _plain_event(event: Event) -> dict[str, Any]:
    return {"at": event.at, "what": event.title, "text": event.text, "seconds": event.seconds}
