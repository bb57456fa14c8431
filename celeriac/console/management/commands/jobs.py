"""`manage.py jobs enqueue|list|show|retry|cancel|acknowledge|stats`."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from celeriac.console import job_output
from celeriac.console.actions.services import bulk_finish, bulk_start
from celeriac.console.management.arguments import add_job_arguments
from celeriac.console.management.output import as_facts, as_json, as_table
from celeriac.jobs import phrases, registry
from celeriac.jobs.enqueueing import enqueue
from celeriac.jobs.models import Job
from celeriac.jobs.operating import dead, selectors
from celeriac.jobs.operating.actions import ACTIONS
from celeriac.jobs.operating.operate import act_on_job

_LISTED = ("id", "kind", "queue", "view", "priority", "run_at", "attempt", "failures", "error")
_DEPTHS = ("queue", "queued", "scheduled", "retrying", "parked", "running", "oldest_seconds")
#: Told in the sentence already.
_TOLD = ("explanation", "waiting")
_RECENT = ("kind", "state", "count", "median_seconds", "p99_seconds")


class Command(BaseCommand):
    """Enqueue, list, show, retry, cancel and count jobs."""

    actions = ACTIONS
    help = "Enqueue, list, show, retry, cancel and count jobs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs."""
        add_job_arguments(parser, self.actions.values())

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb."""
        {
            "enqueue": self._enqueue,
            "list": self._list,
            "show": self._show,
            **dict.fromkeys(self.actions, self._act),
            "acknowledge": self._acknowledge,
            "stats": self._stats,
        }[options["verb"]](options)

    def _enqueue(self, options: dict[str, Any]) -> None:
        names = ("queue", "priority", "delay", "unique_key", "idempotency_key", "lock_key")
        chosen: Any = {name: options[name] for name in names if options[name] is not None}
        if options["run_at"]:
            chosen["run_at"] = _moment(options["run_at"])
        job = enqueue.enqueue_job(
            options["kind"],
            _arguments(options["arguments"]),
            enqueued_by=options["actor"],
            **chosen,
        )
        self._print(job_output.job_facts(job), options, str(job.id))

    def _list(self, options: dict[str, Any]) -> None:
        chosen = Job.objects.order_by("-id").filter(
            **{f"{name}__in": values for name, values in _filter(options).items()}
        )
        rows = [job_output.job_summary(job) for job in chosen[: options["limit"]]]
        self._print(rows, options, as_table(rows, _LISTED))

    def _show(self, options: dict[str, Any]) -> None:
        whole = job_output.job_report(job_output.find_job(options["id"]))
        tables = ("attempts", "timeline")
        parts = [
            job_output.explanation_text(whole["explanation"]),
            as_facts({k: v for k, v in whole.items() if k not in (*tables, *_TOLD)}),
            *(
                f"{name}\n{as_table(whole[name], list(whole[name][0]))}"
                for name in tables
                if whole[name]
            ),
        ]
        self._print(whole, options, "\n\n".join(parts))

    def _act(self, options: dict[str, Any]) -> None:
        action, said = self.actions[options["verb"]], {k: options[k] for k in ("actor", "reason")}
        if options["ids"]:
            rows = [
                job_output.job_summary(act_on_job(action, each, **said)) for each in options["ids"]
            ]
            return self._print(rows, options, as_table(rows, _LISTED))
        bulk = bulk_finish(bulk_start(verb=action.name, filter=_filter(options), **said))
        text = f"{phrases.count(bulk.changed, 'job')} {action.done}"
        text = "; ".join(filter(None, [text, bulk.error]))
        return self._print({action.past: bulk.changed}, options, text)

    def _acknowledge(self, options: dict[str, Any]) -> None:
        kind = registry.find_kind(options["kind"]).name if options["kind"] else ""
        count = dead.acknowledge_dead(kind=kind, actor=options["actor"], reason=options["reason"])
        text = f"{phrases.count(count, 'dead job')} dealt with"
        self._print({"acknowledged": count}, options, text)

    def _stats(self, options: dict[str, Any]) -> None:
        depths = [depth.as_dict() for depth in selectors.queue_depths()]
        recent = [
            job_output.as_dict(row) for row in selectors.recent_endings(seconds=options["seconds"])
        ]
        text = (
            f"{as_table(depths, _DEPTHS)}\n\nended in the last {options['seconds']:g} s\n"
            f"{as_table(recent, _RECENT)}"
        )
        self._print({"queues": depths, "recent": recent}, options, text)

    def _print(self, value: object, options: dict[str, Any], text: str) -> None:
        self.stdout.write(as_json(value) if options["json"] else text)


def _arguments(pairs: list[str]) -> dict[str, Any]:
    """Return `name=value` pairs, or one JSON object, as arguments."""
    if len(pairs) == 1 and pairs[0].lstrip().startswith("{"):
        try:
            whole: dict[str, Any] = json.loads(pairs[0])
        except (ValueError, RecursionError) as error:
            raise CommandError(f"The arguments are no JSON object: {error}.") from error
        return whole
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise CommandError(f"{pair!r}: write arguments as name=value, or as one JSON object.")
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            found[name] = text
    return found


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise CommandError(f"{text!r} is no date and time, such as 2030-01-31T09:00:00+00:00.")
    return moment


def _filter(options: dict[str, Any]) -> dict[str, list[str]]:
    """Return the columns by which jobs are chosen, and their values."""
    found = {name: [options[name]] for name in ("state", "kind", "queue") if options[name]}
    if "kind" in found:
        found["kind"] = [registry.find_kind(options["kind"]).name]
    if not found and options.get("all") is False:
        raise CommandError("Name job ids, a filter (--state, --kind, --queue), or --all.")
    return found
