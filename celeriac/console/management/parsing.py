"""What people write on command lines, read; what can't be read is a CommandError."""

import json
from datetime import datetime, tzinfo
from typing import Any

from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime

from celeriac.jobs import registry


def parse_job_arguments(pairs: list[str]) -> dict[str, Any]:
    """Return a job's arguments from `name=value` pairs, or from one JSON object."""
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


def parse_moment(text: str, zone: tzinfo | None = None) -> datetime:
    """Return the moment that a person meant; what has no offset is in `zone`."""
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)) is not None:
            moment = datetime(day.year, day.month, day.day)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{text!r} is no date, such as 2030-01-31, and no 2030-01-31T09:00.")
    return moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)


def parse_filter(options: dict[str, Any]) -> dict[str, list[str]]:
    """Return the columns by which jobs are chosen, and their values."""
    found = {name: [options[name]] for name in ("state", "kind", "queue") if options[name]}
    if "kind" in found:
        found["kind"] = [registry.find_kind(options["kind"]).name]
    if not found and options.get("all") is False:
        raise CommandError("Name job ids, a filter (--state, --kind, --queue), or --all.")
    return found
