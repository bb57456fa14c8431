"""How the commands print: tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]


def as_json(value: object) -> str:
    """Return JSON; times as ISO 8601, other values as their text."""
    return json.dumps(value, indent=2, default=_plain)


def as_table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return an aligned table with a heading; numbers to the right."""
    if not rows:
        return "(none)"
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    numeric = [isinstance(rows[0].get(column), int | float) for column in columns]
    return "\n".join(_line(line, widths, numeric) for line in [heads, *cells])


def as_facts(row: Row) -> str:
    """Return one fact a line, empty ones left out."""
    width = max(map(len, row))
    lines = (
        f"{name.replace('_', ' '):<{width}}  {_text(value)}"
        for name, value in row.items()
        if value not in (None, "", [], {})
    )
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(padded).rstrip()


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case dict() | list():
            return json.dumps(value, default=_plain)
        case _:
            return str(value)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
