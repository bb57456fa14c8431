"""What PostgreSQL keeps of a breaker; see scribe.py for how it is reached."""

import json
import time
from dataclasses import asdict

from celeriac.breakers import sql
from celeriac.breakers.replies import Move, Snapshot, State
from celeriac.breakers.scribe import scribe

#: The longest that a caller is held up by the database, in seconds.
WAIT = 0.5


def read(name: str, *, wait: float = WAIT) -> Snapshot | None:
    """Return the breaker as the database knows it; None when it did not say in time."""
    rows = scribe().ask(sql.SNAPSHOT, [name], wait=wait)
    if rows is None:
        return None
    if not rows:
        return Snapshot()
    version, state, open_for, opened, forced, forced_for, by, reason, edit, options, ago = rows[0]
    return Snapshot(
        version=version,
        state=State(state),
        open_for=open_for,
        opened=opened,
        forced=forced,
        forced_for=forced_for,
        forced_reason=f"{by}: {reason}".strip(": "),
        edit=edit,
        options=json.loads(options),
        changed_ago=ago,
    )


def record(move: Move, *, wait: float = WAIT) -> None:
    """Write a move down; when the database is away, later, with the time it really happened."""

    def params() -> dict[str, object]:
        late = max(0.0, time.monotonic() - move.made_at)
        return asdict(move) | {"new": str(move.new), "ago": move.ago + late}

    scribe().write(sql.RECORD, params, wait=wait)


def take_permit(name: str, token: str, seconds: float) -> bool:
    """Return whether the database lets this probe go; a silent database does."""
    params = {"name": name, "token": token, "seconds": seconds}
    rows = scribe().ask(sql.TAKE_PERMIT, params, wait=WAIT)
    return rows is None or bool(rows)


def free_permit(name: str, token: str) -> None:
    """Give a probe's permit back."""
    params = {"name": name, "token": token}
    scribe().write(sql.FREE_PERMIT, lambda: params, wait=WAIT)
