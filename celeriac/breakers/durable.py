"""What PostgreSQL keeps of a breaker; see database_writer.py for how it is reached."""

import json
import time
from dataclasses import asdict

from celeriac.breakers import sql
from celeriac.breakers.database_writer import get_writer
from celeriac.breakers.replies import BreakerState, Move, Snapshot

#: The longest that a caller is held up by the database, in seconds.
WAIT = 0.5


def read_breaker(name: str, *, wait: float = WAIT) -> Snapshot | None:
    """Return the breaker as the database knows it; None when it did not say in time."""
    rows = get_writer().ask(sql.SNAPSHOT, [name], wait=wait)
    if rows is None:
        return None
    if not rows:
        return Snapshot()
    version, state, open_for, opened, forced, forced_for, by, reason, edit, options, ago = rows[0]
    return Snapshot(
        version=version,
        state=BreakerState(state),
        open_for=open_for,
        opened=opened,
        forced=forced,
        forced_for=forced_for,
        forced_reason=f"{by}: {reason}".strip(": "),
        edit=edit,
        options=json.loads(options),
        changed_ago=ago,
    )


def record_move(move: Move, *, wait: float = WAIT) -> None:
    """Write a move down; when the database is away, later, with the time it really happened."""

    def params() -> dict[str, object]:
        late = max(0.0, time.monotonic() - move.made_at)
        return asdict(move) | {"new": str(move.new), "ago": move.ago + late}

    get_writer().write(sql.RECORD, params, wait=wait)


def take_permit(name: str, token: str, seconds: float) -> bool:
    """Return whether the database lets this probe go; a silent database does."""
    params = {"name": name, "token": token, "seconds": seconds}
    rows = get_writer().ask(sql.TAKE_PERMIT, params, wait=WAIT)
    return rows is None or bool(rows)


def free_permit(name: str, token: str) -> None:
    """Give a probe's permit back."""
    params = {"name": name, "token": token}
    get_writer().write(sql.FREE_PERMIT, lambda: params, wait=WAIT)
