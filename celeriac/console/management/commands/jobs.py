"""`manage.py jobs enqueue|list|show|retry|cancel|acknowledge|stats`."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celeriac.console import job_output
from celeriac.console.actions.services import bulk_finish, bulk_start
from celeriac.console.management.arguments import add_job_arguments
from celeriac.console.management.output import as_facts, as_json, as_table
from celeriac.console.management.parsing import parse_filter, parse_job_arguments, parse_moment
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
        add_job_arguments(parser, self.actions.values())

    def handle(self, *args: Any, **options: Any) -> None:
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
            chosen["run_at"] = parse_moment(options["run_at"])
        job = enqueue.enqueue_job(
            options["kind"],
            parse_job_arguments(options["arguments"]),
            enqueued_by=options["actor"],
            **chosen,
        )
        self._print(job_output.job_facts(job), options, str(job.id))

    def _list(self, options: dict[str, Any]) -> None:
        chosen = Job.objects.order_by("-id").filter(
            **{f"{name}__in": values for name, values in parse_filter(options).items()}
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
        bulk = bulk_finish(bulk_start(verb=action.name, filter=parse_filter(options), **said))
        text = f"{phrases.count(bulk.changed, 'job')} {action.done}"
        self._print({action.past: bulk.changed}, options, text)
        if bulk.error:  # not all of them: some were held, or it was stopped
            raise CommandError(bulk.error)
        return None

    def _acknowledge(self, options: dict[str, Any]) -> None:
        kind = registry.find_kind(options["kind"]).name if options["kind"] else ""
        count = dead.acknowledge_dead(kind=kind, actor=options["actor"], reason=options["reason"])
        text = f"{phrases.count(count, 'dead job')} dealt with"
        self._print({"acknowledged": count}, options, text)

    def _stats(self, options: dict[str, Any]) -> None:
        depths = [asdict(depth) for depth in selectors.queue_depths()]
        recent = [asdict(row) for row in selectors.recent_endings(seconds=options["seconds"])]
        text = (
            f"{as_table(depths, _DEPTHS)}\n\nended in the last {options['seconds']:g} s\n"
            f"{as_table(recent, _RECENT)}"
        )
        self._print({"queues": depths, "recent": recent}, options, text)

    def _print(self, value: object, options: dict[str, Any], text: str) -> None:
        self.stdout.write(as_json(value) if options["json"] else text)
