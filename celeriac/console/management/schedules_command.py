"""`manage.py schedules list|next|sync|pause|resume|run|backfill`."""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from celeriac.console.management.output import as_json, as_table
from celeriac.console.management.parsing import parse_moment
from celeriac.core import clock
from celeriac.core.arguments import add_actor, seconds_argument, whole_argument
from celeriac.schedules import operate, selectors, sync
from celeriac.schedules.definition import clock_of
from celeriac.schedules.models import Tick

_LISTED = [
    "name",
    "schedule",
    "state",
    "next_fire_at",
    "last_tick",
    "last_status",
    "misfire",
    "overlap",
    "fault",
]
_TICKS = ("scheduled_for", "status", "job", "reason")


class Command(BaseCommand):
    """Show schedules and steer them."""

    help = "List schedules, show what comes, synchronise, pause, resume, run and backfill them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="every schedule: how it stands")
        coming = verbs.add_parser("next", help="the next fire times, in the schedule's zone")
        coming.add_argument("name", nargs="?", default="", help="without: of all schedules")
        coming.add_argument("--count", type=whole_argument(10_000), default=10)
        verbs.add_parser("sync", help="bring declared schedules into the database")
        pause = verbs.add_parser("pause", help="let no tick fire")
        pause.add_argument(
            "--for", dest="seconds", type=seconds_argument, help="seconds; without: no end"
        )
        verbs.add_parser("resume", help="let it fire again")
        verbs.add_parser("run", help="run its job now")
        filling = verbs.add_parser("backfill", help="run past ticks that did not run")
        for verb in ("pause", "resume", "run", "backfill"):
            verbs.choices[verb].add_argument("name")
            needed = verb == "pause"
            verbs.choices[verb].add_argument("--reason", default="", required=needed)
        for verb in ("sync", "pause", "resume", "run", "backfill"):
            add_actor(verbs.choices[verb])
        form = "2030-01-31 or 2030-01-31T09:00, in the schedule's zone, or with an offset"
        filling.add_argument("start", help=form)
        filling.add_argument("end", help=f"not included; {form}")
        most = "ticks at most; unset, SCHEDULES_BACKFILL_TICKS"
        filling.add_argument("--limit", type=whole_argument(operate.MOST), help=most)
        for each in verbs.choices.values():
            each.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['verb']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = [asdict(status) for status in selectors.schedule_statuses()]
        self._print(rows, options, _LISTED)

    def _next(self, options: dict[str, Any]) -> None:
        count = options["count"]
        if options["name"]:
            task = selectors.task_by_name(options["name"])
            fires = [(moment, task.name) for moment in selectors.next_fires(task, count=count)]
        else:
            fires = selectors.upcoming_fires(count=count)
        rows = [{"name": name, "fires_at": at, "utc": at.astimezone(UTC)} for at, name in fires]
        self._print(rows, options, ("fires_at", "utc", "name"))

    def _sync(self, options: dict[str, Any]) -> None:
        rows = [asdict(change) for change in sync.sync_schedules(actor=options["actor"])]
        for row in rows:
            row |= {name: ", ".join(row[name]) for name in ("fields", "kept")}
        self._print(rows, options, ("name", "done", "fields", "kept", "error"))
        if refused := [row["name"] for row in rows if row["done"] == "refused"]:
            raise CommandError(f"Refused, and left as they were: {', '.join(refused)}.")

    def _pause(self, options: dict[str, Any]) -> None:
        until = clock.moment_ahead(options["seconds"])
        task = selectors.task_by_name(options["name"])
        operate.pause_schedule(
            task.pk, reason=options["reason"], actor=options["actor"], until=until
        )
        self._one(task.name, options)

    def _resume(self, options: dict[str, Any]) -> None:
        task = selectors.task_by_name(options["name"])
        operate.resume_schedule(task.pk, actor=options["actor"], reason=options["reason"])
        self._one(task.name, options)

    def _run(self, options: dict[str, Any]) -> None:
        task = selectors.task_by_name(options["name"])
        tick = operate.run_schedule_now(task.pk, actor=options["actor"], reason=options["reason"])
        self._print([_tick(tick)], options, _TICKS)

    def _backfill(self, options: dict[str, Any]) -> None:
        task = selectors.task_by_name(options["name"])
        zone = clock_of(task)
        ticks = operate.backfill_schedule(
            task.pk,
            start=parse_moment(options["start"], zone),
            end=parse_moment(options["end"], zone),
            actor=options["actor"],
            reason=options["reason"],
            limit=options["limit"],
        )
        self._print([_tick(tick) for tick in ticks], options, _TICKS)

    def _one(self, name: str, options: dict[str, Any]) -> None:
        rows = [asdict(one) for one in selectors.schedule_statuses() if one.name == name]
        self._print(rows, options, _LISTED)

    def _print(
        self, rows: Sequence[dict[str, Any]], options: dict[str, Any], columns: Sequence[str]
    ) -> None:
        self.stdout.write(as_json(rows) if options["json"] else as_table(rows, columns))


def _tick(tick: Tick) -> dict[str, Any]:
    return {name: getattr(tick, name) for name in ("id", *_TICKS)}
