"""A scan as text for people, and as JSON for programs."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from celeriac.scanning.constants import Value
from celeriac.scanning.remarks import CODES, WORDS, Remark, Weight
from celeriac.scanning.scan import ProjectScan, ScannedTask

_GENERAL = (
    "Of every task: a call inside a transaction becomes a part of it, and is undone with it. "
    "Delivery, limits, retries, results and hooks stay what they are unless a line says otherwise."
)


#: How the table says what becomes of a run that lost its process.
_LEGEND = (
    "once: never started again once it began; worker: again where the whole worker is lost; "
    "again: again where its process is lost. Limits are soft/hard, in seconds."
)


def as_text(scan: ProjectScan) -> Iterator[str]:
    """Yield the lines of a report: each task with its remarks, then the project's, then a count."""
    yield from _table([_row(each) for each in scan.tasks], [each.remarks for each in scan.tasks])
    if scan.project:
        yield ""
        yield "The project"
        for remark in scan.project:
            yield f"    {_label(remark)}: {remark}"
    for file, reason in scan.unread.items():
        yield f"    can't be read: {file}: {reason}"
    yield ""
    counts = Counter(each.weight for each in scan.tasks)
    said = ", ".join(f"{counts[weight]} {WORDS[weight]}" for weight in Weight if counts[weight])
    yield f"{len(scan.tasks)} tasks: {said or 'none was found'}."
    yield _GENERAL
    yield _LEGEND


def _table(rows: list[tuple[str, ...]], remarks: list[list[Remark]]) -> Iterator[str]:
    """Yield the rows with their columns in line, each with its remarks below."""
    head = ("VERDICT", "TASK", "LOST RUN", "LIMITS", "CALLS", "WHERE")
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row, said in zip([head, *rows], [[], *remarks], strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        for remark in said:
            yield f"    {_label(remark)}: {remark}"


def _row(judged: ScannedTask) -> tuple[str, ...]:
    task = judged.task
    delivery = {"never": "once"}.get(judged.delivery.code, judged.delivery.code)
    limits = "/".join(_seconds(judged.limits[name]) for name in ("soft", "hard"))
    calls = f"{len(judged.calls)}{' + beat' if judged.ticks else ''}"
    return WORDS[judged.weight], task.name, delivery, limits, calls, str(task.place)


def _label(remark: Remark) -> str:
    return "note" if remark.weight is Weight.AS_IS else WORDS[remark.weight]


def _seconds(value: Value) -> str:
    if not value.known:
        return "?"
    return "-" if value.worth is None else str(value.worth)


def as_json(scan: ProjectScan) -> str:
    """Return a scan as JSON: its shape stands in docs/from-celery.md."""
    counts = Counter(each.weight for each in scan.tasks)
    return json.dumps(
        {
            "version": 1,
            "exit_code": scan.exit_code,
            "counts": {CODES[weight]: counts[weight] for weight in Weight},
            "tasks": [_task(each) for each in scan.tasks],
            "project": [_remark(each) for each in scan.project],
            "unread": scan.unread,
        },
        indent=2,
        default=str,
    )


def _task(judged: ScannedTask) -> dict[str, Any]:
    task = judged.task
    return {
        "name": task.name,
        "file": task.place.file,
        "line": task.place.line,
        "verdict": CODES[judged.weight],
        "delivery": judged.delivery.code,
        "limits": {key: _worth(value) for key, value in judged.limits.items()},
        "options": {key: _worth(value) for key, value in task.options.items()},
        "bases": task.bases,
        "ticks": judged.ticks,
        "remarks": [_remark(each) for each in judged.remarks],
        "calls": [
            {
                "file": call.place.file,
                "line": call.place.line,
                "how": call.how,
                "when": call.moment.name.lower(),
                "options": {key: _worth(value) for key, value in call.options.items()},
            }
            for call in judged.calls
        ],
    }


def _remark(remark: Remark) -> dict[str, Any]:
    places = [{"file": each.file, "line": each.line} for each in remark.places]
    return {"verdict": CODES[remark.weight], "text": remark.text, "places": places}


def _worth(value: Value) -> Any:
    return value.worth if value.known else {"unknown": value.text}
