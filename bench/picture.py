"""The picture of the results in the docs: `python -m bench.picture [RESULTS] [SVG]`."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench.report import CPU
from bench.rows import BY_NAME

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "latest.json"
PICTURE = ROOT / "docs" / "pictures" / "benchmarks.svg"
WIDTH, LEFT, BAR, GAP = 860, 190, 16, 44
PLAIN, LEDGER = "#b9b4a7", "#3f7d58"
_ROLES = {
    "parent": "#8fa8c4",
    "children": "#3f7d58",
    "dispatcher": "#c9963f",
    "postgres": "#31648c",
    "valkey": "#a8485b",
}
type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one figure, one for each row that has it."""

    title: str
    value: Callable[[Row], float | None]
    shown: str = "{:,.0f}"
    #: Which rows it is about.
    shapes: tuple[str, ...] = ("drain",)
    by_role: bool = False


def _figure(name: str) -> Callable[[Row], float | None]:
    return lambda row: row.get(name)


def _spent(row: Row) -> float | None:
    found: Mapping[str, float] = row.get(CPU, {})
    return found.get("all")


PANELS = (
    Panel("a backlog: jobs a second", _figure("drain_per_s")),
    Panel("a backlog: processor time a job, µs", _spent, by_role=True),
    Panel("idle: ms from commit to first line, p50", _figure("latency_ms_p50"), "{:,.1f}"),
    Panel("steady load: processor time a job, µs", _spent, shapes=("steady",), by_role=True),
    Panel(
        "steady load: ms from commit to first line, p99",
        _figure("latency_ms_p99"),
        "{:,.1f}",
        ("steady",),
    ),
    Panel("jobs that wait 300 ms: jobs a second", _figure("drain_per_s"), shapes=("waiting",)),
)


def main(arguments: Sequence[str]) -> None:
    """Draw the results."""
    results = Path(arguments[0]) if arguments else RESULTS
    picture = Path(arguments[1]) if len(arguments) > 1 else PICTURE
    picture.write_text(drawn(json.loads(results.read_text())))


def drawn(results: Mapping[str, Any]) -> str:
    """Return the SVG of a document of results."""
    parts: list[str] = []
    top = 30
    for panel in PANELS:
        rows = [row for row in results["rows"] if _belongs(row, panel)]
        if rows:
            parts += [_text(10, top, panel.title, size=13), *_bars(panel, rows, top + 10)]
            top += len(rows) * (BAR + 4) + GAP
    machine = results["machine"]
    parts.append(
        _text(
            10,
            top - 12,
            f"{results['rounds']} rounds on {machine['cpus']} cores, "
            f"{machine['cpu']}; colours of roles: ",
        )
        + "".join(_legend(top + 4))
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 16}" '
        'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _belongs(row: Row, panel: Panel) -> bool:
    known = BY_NAME.get(row["name"])
    return known is not None and known.shape in panel.shapes and bool(panel.value(row))


def _bars(panel: Panel, rows: Sequence[Row], top: int) -> Iterator[str]:
    longest = max(panel.value(row) or 0.0 for row in rows)
    scale = (WIDTH - LEFT - 90) / longest
    for number, row in enumerate(rows):
        y, value = top + number * (BAR + 4), panel.value(row) or 0.0
        yield _text(LEFT - 8, y + 12, row["name"], anchor="end")
        left = float(LEFT)
        for colour, part in _parts(panel, row, value):
            yield _rect(left, y, part * scale, colour)
            left += part * scale
        yield _text(left + 6, y + 12, panel.shown.format(value))


def _parts(panel: Panel, row: Row, value: float) -> list[tuple[str, float]]:
    if not panel.by_role:
        return [(PLAIN if BY_NAME[row["name"]].side == "plain" else LEDGER, value)]
    return [(colour, row[CPU].get(role, 0.0)) for role, colour in _ROLES.items()]


def _legend(top: int) -> Iterator[str]:
    for number, (role, colour) in enumerate(_ROLES.items()):
        yield _rect(10 + number * 110, top - 8, 10, colour, height=10)
        yield _text(24 + number * 110, top + 1, role)


def _rect(left: float, top: float, width: float, colour: str, height: int = BAR) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{max(width, 0.5):.1f}" height="{height}" '
        f'fill="{colour}"/>'
    )


def _text(left: float, top: float, text: str, *, size: int = 11, anchor: str = "start") -> str:
    return (
        f'<text x="{left:.1f}" y="{top}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
