"""The end of a run on paper: what was thrown at it, and the audit."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from sandbox.demo.audit import Check, balances, first_problems


def show_storm(console: Console, storm: Mapping[str, str]) -> None:
    """Print what the platform had to bear."""
    table = Table("what was thrown at it", "", border_style="dim", show_header=True)
    for name, found in storm.items():
        table.add_row(name, found)
    console.print(table)


def show_audit(console: Console, checks: Sequence[Check]) -> None:
    """Print every check, the problems, and the verdict."""
    table = Table("audit", "found", "", border_style="dim")
    for check in checks:
        verdict = "[green]ok[/]" if check.passed else f"[red]{len(check.problems)} wrong[/]"
        table.add_row(check.question, check.found, verdict)
    console.print(table)
    for problem in first_problems(checks):
        console.print(f"  {problem}", style="red", markup=False, highlight=False)
    if balances(checks):
        console.print("The books balance.", style="bold green")
    else:
        console.print("The books do NOT balance.", style="bold red")
