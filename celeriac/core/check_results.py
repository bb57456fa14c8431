"""What a doctor finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One fact about one part, and what to do about it ('' where it is well)."""

    part: str
    level: Level
    says: str
    todo: str = ""


Check = Callable[[], Iterator[CheckResult]]


def ok(part: str, says: str) -> CheckResult:
    """Return that a part is well."""
    return CheckResult(part, Level.OK, says)


def warning(part: str, says: str, todo: str) -> CheckResult:
    """Return that somebody should look at a part."""
    return CheckResult(part, Level.WARNING, says, todo)


def error(part: str, says: str, todo: str) -> CheckResult:
    """Return that a part does not work."""
    return CheckResult(part, Level.ERROR, says, todo)
