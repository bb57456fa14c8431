"""Rounds become figures: medians, ratios, a table, a file."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.rows import row_named

BASELINE = "celery"
#: The tables that are printed, and how many rows one has side by side.
SHAPES, COLUMNS = ("drain", "steady", "waiting"), 8
#: One round: what each row measured.
Round = Mapping[str, Mapping[str, Any]]

#: The contract's figures, by name, with the table's heading and format.
FIGURES = {
    "enqueue_per_s": ("enqueue/s", "{:,.0f}"),
    "drain_per_s": ("drain/s", "{:,.0f}"),
    "drain_ratio": ("x baseline", "{:.2f}"),
    "latency_ms_p50": ("latency p50 ms", "{:.1f}"),
    "latency_ms_p99": ("p99 ms", "{:.1f}"),
    "rss_mb": ("RSS MB", "{:,.0f}"),
}
#: Processor time by role, in microseconds for each job; and what else a row tells by role.
CPU = "cpu_us_per_job"
BY_ROLE = (
    CPU,
    "enqueue_cpu_us_per_job",
    "latency_cpu_us_per_job",
    "pss_mb",
    "uss_mb",
    "connections",
)
ROLES = ("all", "parent", "children", "dispatcher", "postgres", "valkey", "publisher")
#: What sets a row against the same of an older commit is named so, and then by the commit.
AGAINST = "against_"
#: What is measured on the way.
EXTRAS = {
    "cpu_ratio": ("CPU x baseline", "{:.2f}"),
    "offered_per_s": ("offered/s", "{:,.0f}"),
    "enqueue_many_per_s": ("enqueue_many/s", "{:,.0f}"),
    "statements_per_job": ("SQL/job", "{:.2f}"),
    "transactions_per_job": ("commits/job", "{:.2f}"),
    "wal_bytes_per_job": ("WAL B/job", "{:,.0f}"),
    "enqueue_statements_per_job": ("enqueue SQL", "{:.1f}"),
    "enqueue_wal_bytes_per_job": ("enqueue WAL B", "{:,.0f}"),
    "connections_opened_per_job": ("connects/job", "{:.2f}"),
    "postgres_cores": ("PostgreSQL cores", "{:.2f}"),
    "neighbour_per_s": ("neighbour/s", "{:,.0f}"),
    "neighbour_ms_p50": ("its p50 ms", "{:.1f}"),
    "neighbour_ms_p99": ("its p99 ms", "{:.1f}"),
    "inserts_per_job": ("", ""),
    "updates_per_job": ("", ""),
    "hot_updates_per_job": ("", ""),
    "row_versions_per_job": ("row versions", "{:.3f}"),
    "drain_jobs": ("drained", "{:,.0f}"),
    "drain_seconds": ("", ""),
}


def summary(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """Return one entry per row: medians over the rounds, and every round's own figures."""
    names = list(rounds[0]) if rounds else []
    return [_row(name, [_with_ratio(name, each) for each in rounds]) for name in names]


def document(
    machine: Mapping[str, Any], rounds: Sequence[Round], notes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what bench/results/latest.json holds."""
    return {
        "machine": dict(machine),
        "rounds": len(rounds),
        "rows": summary(rounds),
        **notes,
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.replace(path)


def show(content: Mapping[str, Any], console: Console) -> None:
    """Print the rows side by side, the baseline's flags and the commit settings."""
    for shape in SHAPES:
        rows = [row for row in content["rows"] if row_named(_row_of(row)).shape == shape]
        for first in range(0, len(rows), COLUMNS):
            console.print(_table(rows[first : first + COLUMNS]))
    for row in content["rows"]:
        if row["name"] == BASELINE:
            console.print(f"celery's workers: {row['commands'][0]}", soft_wrap=True)
            console.print(
                "  acks_late, ignore_result, acknowledgement emulation on (late acks need it); "
                f"prefetch {content.get('prefetch')}: {content.get('prefetch_trials')}",
                soft_wrap=True,
            )
    _show_beside(content, console)
    commit = content["machine"]["commit"]
    console.print(
        f"commits: enqueue {commit['enqueue']}; claim {commit['claim']}; settle "
        f"{commit['settle']}; server {commit['server']}",
        soft_wrap=True,
    )


def _show_beside(content: Mapping[str, Any], console: Console) -> None:
    """Print what was measured beside the rows."""
    if breaker := content.get("breaker"):
        console.print(
            f"closed breaker: a guarded call takes {breaker['guarded_us_p50']:.0f} us "
            f"(p99 {breaker['guarded_us_p99']:.0f}), of which one bare round trip to the store "
            f"{breaker['store_round_trip_us_p50']:.0f}; "
            f"{breaker['store_round_trips_per_call']:.2f} round trips per call",
            soft_wrap=True,
        )
    if tailed := content.get("tailed"):
        console.print(
            f"a kind with a heavy tail ({tailed['long']} of {tailed['jobs']:,} jobs take "
            f"{tailed['long_seconds']:g} s): short ones wait {tailed['short_wait_s_p50']:.2f} s "
            f"(p99 {tailed['short_wait_s_p99']:.2f})",
            soft_wrap=True,
        )
    if plain := content.get("plain_beside"):
        console.print(_plain_beside(plain), soft_wrap=True)
    if dashboard := content.get("dashboard"):
        usual, week = dashboard["refresh"], dashboard["refresh_with_charts_7d"]
        console.print(
            f"dashboard over {dashboard['finished_rows']:,} finished jobs: a refresh takes "
            f"{usual['ms_p50']:.0f} ms (p99 {usual['ms_p99']:.0f}, {usual['queries']:.0f} queries, "
            f"{usual['kilobytes']:.0f} KB), with a week's charts {week['ms_p50']:.0f} ms; "
            f"the roll-up of a minute {dashboard['rollup_minute_ms_p50']:.0f} ms",
            soft_wrap=True,
        )
    if schedules := content.get("schedules"):
        console.print(_schedules(schedules), soft_wrap=True)
    if bulk := content.get("http_bulk"):
        console.print(
            f"{bulk['jobs']:,} jobs at once: enqueue_many {bulk['enqueue_many_per_s']:,}/s, one "
            f"POST to /api/v1/jobs/bulk/ {bulk['bulk_per_s']:,}/s",
            soft_wrap=True,
        )


def _plain_beside(figures: Mapping[str, Any]) -> str:
    sides = [
        f"{figures[f'{name}_latency_ms_p50']:.1f} ms (p90 {figures[f'{name}_ms_p90']:.1f}, p99 "
        f"{figures[f'{name}_latency_ms_p99']:.1f})"
        for name in ("line", "without")
    ]
    return (
        f"a plain task whose worker's children are on the open line starts after {sides[0]}, "
        f"without the line after {sides[1]}"
    )


def _schedules(figures: Mapping[str, Any]) -> str:
    starts = ", ".join(
        f"{each['first_s']:.1f} s ({each['again_s']:.1f} again) over {each['schedules']:,}"
        for each in figures["starts"]
    )
    return (
        f"beat: {figures['schedules']:,} schedules, {figures['ticks_per_minute']:.0f} ticks a "
        f"minute {1000 * figures['late_s_p50']:.0f} ms after their times, take "
        f"{figures['cores']:.1%} of a core, and {figures['postgres_cores']:.1%} of one in "
        f"PostgreSQL; it starts in {starts}"
    )


def _row(name: str, measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name}
    for figure in (*BY_ROLE, *_ratios_in(measured)):
        if found := [each[figure] for each in measured if figure in each]:
            entry[figure] = {
                role: round(statistics.median([each[role] for each in found if role in each]), 3)
                for role in found[0]
            }
    for figure in (*FIGURES, *EXTRAS):
        values = [each[figure] for each in measured if figure in each]
        if values:
            entry[figure] = round(statistics.median(values), 4)
    entry["commands"] = list(measured[-1].get("commands", ()))
    entry["each_round"] = [
        {name: value for name, value in each.items() if name != "commands"} for each in measured
    ]
    return entry


def _ratios_in(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({name for each in measured for name in each if name.startswith(AGAINST)})


def _with_ratio(name: str, measured: Round) -> dict[str, Any]:
    """Set the row against its baseline, and against an older commit's, of the same round."""
    figures = dict(measured[name])
    row, _, checkout = name.partition("@")
    baseline = measured.get(_baseline(row), {})
    for figure, ratio in (("drain_per_s", "drain_ratio"), (CPU, "cpu_ratio")):
        if figure in figures and (other := baseline.get(figure)):
            mine = figures[figure]
            own, its = (mine["all"], other["all"]) if figure == CPU else (mine, other)
            figures |= {ratio: own / its} if its else {}
    for other_name, other in measured.items():
        other_row, _, other_checkout = other_name.partition("@")
        if other_row == row and other_checkout and not checkout:
            figures[AGAINST + other_checkout] = _set_against(figures, other)
    return figures


def _baseline(row: str) -> str:
    try:
        return row_named(row).baseline
    except KeyError:
        return BASELINE


def _set_against(ours: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    """Return ours divided by the other's: rates, latencies, processor time by role."""
    names = ("drain_per_s", "enqueue_per_s", "latency_ms_p50", "latency_ms_p99")
    pairs = {name: (ours.get(name), other.get(name)) for name in names}
    spent, its = ours.get(CPU, {}), other.get(CPU, {})
    pairs |= {f"cpu_{role}": (spent[role], its.get(role)) for role in spent}
    return {name: mine / theirs for name, (mine, theirs) in pairs.items() if mine and theirs}


def line(result: Mapping[str, Any]) -> str:
    """Return a stage's figures on one line."""
    shown = ("drain_per_s", "latency_ms_p50", "latency_ms_p99", "enqueue_per_s", "neighbour_ms_p99")
    how = {**FIGURES, **EXTRAS}
    parts = [
        f"{how[name][0]} {how[name][1].format(result[name])}" for name in shown if name in result
    ]
    spent = result.get(CPU, {})
    return "  ".join(
        [*parts, f"CPU {spent.get('all', 0):,.0f} us (PostgreSQL {spent.get('postgres', 0):,.0f})"]
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = {name: how for name, how in {**FIGURES, **EXTRAS}.items() if how[0]}
    table = Table(title="Medians over interleaved rounds")
    table.add_column("")
    for row in rows:
        table.add_column(str(row["name"]), justify="right")
    for figure, (heading, form) in shown.items():
        if any(figure in row for row in rows):
            cells = [form.format(row[figure]) if figure in row else "-" for row in rows]
            table.add_row(heading, *cells)
    for role in ROLES:
        spent = [row.get(CPU, {}).get(role) for row in rows]
        if not any(spent):
            continue
        table.add_row(f"CPU us {role}", *("-" if s is None else f"{s:,.0f}" for s in spent))
    names = [str(row["name"]) for row in rows if "@" not in str(row["name"])]
    table.caption = "\n".join(f"{name}: {_says(name)}" for name in names)
    return table


def _row_of(row: Mapping[str, Any]) -> str:
    return str(row["name"]).partition("@")[0]


def _says(name: str) -> str:
    row = row_named(name)
    return f"{row.says}, {row.rate:g} jobs a second" if row.rate else row.says
