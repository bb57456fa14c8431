"""Settling: outcomes become rows, many at once, each fenced by its claim.

A row is written only where `state = 'running' AND claim_id = …` still holds;
what matches no row is a lost claim, returned as refused. A requested cancel
overtakes every ending but success, and a run that would go back to queued while
its unique key has been queued anew ends cancelled, superseded: both in the same
statement. The commit is synchronous, whatever a handler told its session.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from celeriac.jobs.outcomes import Outcome, Settlement
from celeriac.jobs.running import hot, settle_sql
from celeriac.jobs.states import State, Verb, after

logger = logging.getLogger(__name__)

#: What an Attempt row calls the way a run ended.
_RECORDED = {
    Verb.COMPLETE: "succeeded",
    Verb.RETRY: "failed",
    Verb.GIVE_UP: "dead",
    Verb.STOP: "cancelled",
    Verb.RESCUE: "lost",
    Verb.SNOOZE: "stopped",  # by a deploy: no other snooze is recorded
}
#: How long the end of runs waits for a caller's lock before each is tried alone.
LOCK_TIMEOUT = "2s"
#: How often a unique key may be queued anew between a look and a write.
_TWIN_RACES = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One run's ending. `started` and `seconds` count from the claim, on one machine's clock."""

    job_id: UUID
    claim_id: UUID
    settlement: Settlement
    outcome: Outcome
    started: float | None = None
    seconds: float | None = None
    #: Known to owe no callback: then the hot statement need not look.
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an entry; state is None where the claim was lost."""

    job_id: UUID
    state: State | None
    kind: str = ""
    lock_key: str | None = None
    #: Whether its ending enqueued a callback.
    called: bool = False
    queue: str = ""

    @property
    def refused(self) -> bool:
        """Whether the run no longer owned its job."""
        return self.state is None


def settle(entries: Sequence[Entry]) -> list[Settled]:
    """Write `entries`; return what became of each, refused ones last."""
    simple = [entry for entry in entries if entry.settlement.verb is Verb.COMPLETE]
    others = [entry for entry in entries if entry.settlement.verb is not Verb.COMPLETE]
    settled = _complete(simple) + _end(others)
    found = {row.job_id for row in settled}
    refused = [Settled(entry.job_id, None) for entry in entries if entry.job_id not in found]
    for row in refused:
        logger.warning("lost claim: the write of job %s was refused", row.job_id)
    return settled + refused


def _complete(entries: list[Entry]) -> list[Settled]:
    if not entries:
        return []
    calling = not all(entry.silent for entry in entries)
    statement = settle_sql.COMPLETIONS[calling, len(entries) == 1]
    return _execute(statement, _alone(*entries) if len(entries) == 1 else _together(entries))


def _alone(entry: Entry) -> dict[str, Any]:
    return {
        "ids": entry.job_id,
        "claims": entry.claim_id,
        "results": entry.settlement.result,
        "errors": entry.settlement.error,
        "started": entry.started,
        "seconds": entry.seconds,
    }


def _together(entries: list[Entry]) -> dict[str, Any]:
    entries.sort(key=lambda entry: entry.job_id)
    return {
        "ids": hot.uuids(entry.job_id for entry in entries),
        "claims": hot.uuids(entry.claim_id for entry in entries),
        "results": [entry.settlement.result for entry in entries],
        "errors": [entry.settlement.error for entry in entries],
        "started": hot.floats(entry.started for entry in entries),
        "seconds": hot.floats(entry.seconds for entry in entries),
    }


def _end(entries: list[Entry]) -> list[Settled]:
    if not entries:
        return []
    try:
        return _end_together(entries)
    except IntegrityError as error:
        if "job_unique_key_queued" not in str(error):
            raise
    return [row for entry in entries for row in _end_singly(entry)]


def _end_together(entries: list[Entry]) -> list[Settled]:
    """A caller's open transaction may hold a unique key: the wait for it is bounded."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        return _execute(settle_sql.END, _columns(entries))


def _end_singly(entry: Entry) -> list[Settled]:
    for race in range(_TWIN_RACES):
        try:
            return _end_together([entry])
        except IntegrityError as error:
            if "job_unique_key_queued" not in str(error) or race == _TWIN_RACES - 1:
                raise
    raise AssertionError("the loop above returns or raises")


def _columns(entries: list[Entry]) -> dict[str, list[Any]]:
    entries = sorted(entries, key=lambda entry: entry.job_id)
    settlements = [entry.settlement for entry in entries]
    return {
        "ids": [entry.job_id for entry in entries],
        "claims": [entry.claim_id for entry in entries],
        "verbs": [str(settlement.verb) for settlement in settlements],
        "states": [str(after(State.RUNNING, settlement.verb)) for settlement in settlements],
        "delays": [settlement.delay for settlement in settlements],
        "failures": [settlement.failures for settlement in settlements],
        "losses": [settlement.losses for settlement in settlements],
        "errors": [settlement.error for settlement in settlements],
        "circuits": [settlement.circuit for settlement in settlements],
        "cuts": [settlement.cuts for settlement in settlements],
        "reasons": [settlement.wait_reason for settlement in settlements],
        "recorded": [
            _RECORDED.get(settlement.verb, "") if settlement.writes_attempt else ""
            for settlement in settlements
        ],
        "classes": [entry.outcome.error_class for entry in entries],
        "messages": [entry.outcome.message for entry in entries],
        "tracebacks": [entry.outcome.traceback for entry in entries],
        "started": [entry.started for entry in entries],
        "seconds": [entry.seconds for entry in entries],
    }


def settle_joint(entry: Entry, began: str) -> Settled:
    """Write a success in the transaction that `began` then; in any other one it is refused."""
    statement = settle_sql.JOINT[not entry.silent]
    rows = _execute(statement, _alone(entry) | {"began": began})
    return rows[0] if rows else Settled(entry.job_id, None)


def _execute(statement: str, parameters: dict[str, Any]) -> list[Settled]:
    rows = hot.fetch(statement, parameters)
    return [Settled(row[0], State(row[1]), row[2], row[3], row[4], row[5]) for row in rows]
