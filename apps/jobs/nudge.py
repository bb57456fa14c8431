"""The nudge: tells the dispatcher that a commit brought work."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID


def after_commit(
    *,
    queue: str,
    priority: int,
    run_at: datetime | float,
    unique_hit: UUID | None = None,
    using: str = "default",
) -> None:
    """Do nothing: the dispatcher polls."""


def freed(*, locks: Sequence[str], using: str = "default") -> None:
    """Do nothing: the dispatcher polls."""


def returned(*, ids: Sequence[UUID], using: str = "default") -> None:
    """Do nothing: the dispatcher polls."""


def wake(*, queues: Iterable[str] = (), workers: bool = False, using: str = "default") -> None:
    """Do nothing: the dispatcher polls."""
