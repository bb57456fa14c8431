"""What became of the tests, as a table, and where docs/from-celery.md says otherwise. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Where the guide names what does not pass.
HEADING = "## Celery's own tests"
_ROW = re.compile(r"^\| `([\w.]+\.py)` \| `([\w:\[\]-]+)` \| (.+?) \|$", re.M)


class Stoppable(Protocol):
    """A server."""

    def stop(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One of their tests: `test_tasks.py::test_tasks::test_eta`, and what became of it."""

    name: str
    outcome: str
    why: str = ""

    @property
    def file(self) -> str:
        """Its file."""
        return self.name.partition("::")[0]

    @property
    def test(self) -> str:
        """Its class and its own name."""
        return self.name.partition("::")[2]


def table_of(results: Sequence[Result], commit: str, files: Iterable[str]) -> str:
    """Return how many passed, of which files and commit, and each other by name."""
    lines = [f"Celery's t/integration of {commit}", ""]
    for name in files:
        counts = Counter(each.outcome for each in results if each.file == name)
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        lines.append(f"{name}: {counts.total()} tests: {told or 'none ran'}")
    others = [each for each in results if each.outcome != "passed"]
    if others:
        lines += ["", "| test | became | why |", "|---|---|---|"]
        lines += [f"| {each.name} | {each.outcome} | {each.why} |" for each in others]
    return "\n".join(lines)


def read_guide(page: Path) -> dict[tuple[str, str], str]:
    """Return why a test does not pass, by its file and its name, as the guide has it."""
    text = page.read_text(encoding="utf-8").partition(HEADING)[2]
    section = text.partition("\n## ")[0]
    return {(file, test): why for file, test, why in _ROW.findall(section)}


def differences(results: Iterable[Result], told: dict[tuple[str, str], str]) -> list[str]:
    """Return what the guide does not say, and what it says that is no longer so."""
    problems = []
    for each in results:
        named = (each.file, each.test) in told
        if each.outcome == "passed" and named:
            problems.append(f"{each.name} passes: take it out of the guide.")
        if each.outcome not in ("passed", "xfailed") and not named:
            problems.append(f"{each.name} {each.outcome}, and the guide gives no reason.")
    return problems
