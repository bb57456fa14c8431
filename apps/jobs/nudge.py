"""The nudge: tells the dispatcher that a commit brought work."""

from datetime import datetime
from uuid import UUID


def after_commit(
    *,
    queue: str,
    priority: int,
    run_at: datetime,
    unique_hit: UUID | None = None,
    using: str = "default",
) -> None:
    """Do nothing: the dispatcher polls."""
