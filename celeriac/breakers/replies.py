"""What a storage answers. Pure values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db.models import TextChoices


class BreakerState(TextChoices):
    """Where a circuit stands."""

    CLOSED = "closed", "closed"
    OPEN = "open", "open"
    HALF_OPEN = "half_open", "half-open"


class Verdict(StrEnum):
    """What a storage said to a call or to its report."""

    PASS = "pass"  # noqa: S105 a verdict, no password
    PROBE = "probe"
    FORCED_CLOSED = "forced_closed"
    OPEN = "open"
    HELD = "held"  # half-open, and another call is the probe
    FORCED_OPEN = "forced_open"
    DONE = "done"
    EMPTY = "empty"  # the store has never heard of the breaker, or was emptied


#: The call may be made.
ADMITTED = frozenset({Verdict.PASS, Verdict.PROBE, Verdict.FORCED_CLOSED})


class CallResult(StrEnum):
    """What a call says about the provider."""

    OK = "ok"
    FAULT = "fault"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `wait` is in seconds; `moved_from` is set when this operation moved the state.

    `in_a_row` counts the failures since the last success.
    """

    verdict: Verdict
    version: int = 0
    state: BreakerState = BreakerState.CLOSED
    wait: float = 0.0
    edit: int = 0
    due: bool = False  # this caller is asked to compare store and database
    moved_from: str = ""
    calls: int = 0
    failures: int = 0
    slow: int = 0
    opened: int = 0
    in_a_row: int = 0

    @classmethod
    def read(cls, raw: Sequence[Any]) -> "Reply":
        """Return the reply of a script."""
        verdict, *rest = raw
        if not rest:
            return cls(Verdict(verdict))
        version, state, wait, edit, due, moved, *counts = rest
        head = Verdict(verdict), int(version), BreakerState(state), int(wait) / 1000
        return cls(*head, int(edit), bool(int(due)), moved, *map(int, counts))


@dataclass(frozen=True, slots=True)
class Report:
    """What a call found. Seconds; `open_for` is what the provider asked for, 0 for nothing.

    `ends_a_row`: failures were known when the call was admitted, so that its success is news.
    """

    version: int
    token: str
    probe: bool
    finding: CallResult
    slow: bool = False
    open_for: float = 0.0
    ends_a_row: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A breaker as store or database know it. Ends are seconds from now: clocks differ.

    `version` numbers the moves of the circuit, `edit` what operators changed.
    `forced_for` is None for a force without an end.
    """

    version: int = 0
    state: BreakerState = BreakerState.CLOSED
    open_for: float = 0.0
    opened: int = 0
    forced: str = ""
    forced_for: float | None = None
    forced_reason: str = ""
    edit: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    changed_ago: float = 0.0
    calls: int = 0
    failures: int = 0
    slow: int = 0
    in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """One transition of one circuit, as it is written down."""

    name: str
    version: int
    old: str
    new: BreakerState
    opened: int = 0
    open_for: float = 0.0
    calls: int = 0
    failures: int = 0
    slow: int = 0
    reason: str = ""
    by: str = ""
    error: str = ""
    ago: float = 0.0
    made_at: float = 0.0  # on this process's monotonic clock, to tell how late it is written
