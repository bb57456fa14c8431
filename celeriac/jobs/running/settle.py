"""Settling: outcomes become rows, many at once, each fenced by its claim.

A row is written only where `state = 'running' AND claim_id = …` still holds;
what matches no row is a lost claim, noted as refused. A requested cancel
overtakes every ending but success, and a run that would go back to queued while
its unique key has been queued anew ends cancelled, superseded: both in the same
statement. The commit is synchronous, whatever a handler told its session.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, connection, transaction

from celeriac.core.sqlstates import violates
from celeriac.jobs.models.job import UNIQUE_KEY_QUEUED
from celeriac.jobs.running import prepared, settle_sql
from celeriac.jobs.running.run import Run, Settled
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
#: The answer to a run that no longer owned its job.
REFUSED = Settled(None)


def settle_runs(runs: Sequence[Run]) -> None:
    """Write the settlements of `runs`; note with each what became of it."""
    _complete([run for run in runs if run.settlement.verb is Verb.COMPLETE])
    _end([run for run in runs if run.settlement.verb is not Verb.COMPLETE])


def settle_joint(run: Run, began: str) -> Settled:
    """Write a success in the transaction that `began` then; in any other one it is refused.

    Nothing is noted with the run: its transaction has not committed yet.
    """
    rows = prepared.fetch_rows(settle_sql.JOINT[not run.job.silent], _alone(run) | {"began": began})
    return _answer(rows[0]) if rows else REFUSED


def _complete(runs: list[Run]) -> None:
    if not runs:
        return
    is_alone = len(runs) == 1
    if _are_bare(runs):
        statement = settle_sql.BARE_ONE if is_alone else settle_sql.BARE
        together = _bare
    else:
        calling = not all(run.job.silent for run in runs)
        statement = settle_sql.COMPLETIONS[calling, is_alone]
        together = _together
    parameters = _alone(*runs) if is_alone else together(runs)
    _note(prepared.fetch_rows(statement, parameters), runs)


def _are_bare(runs: list[Run]) -> bool:
    """Return whether there is nothing to write but that runs of one claim have succeeded."""
    claim_id = runs[0].claim_id
    for run in runs:
        settlement = run.settlement
        if settlement.result is not None or settlement.writes_attempt or settlement.error:
            return False
        if run.claim_id != claim_id or not run.job.silent:
            return False
    return True


def _bare(runs: list[Run]) -> dict[str, Any]:
    runs.sort(key=_order)
    settlements = [run.settlement for run in runs]
    return {
        "claim": runs[0].claim_id,
        "ids": prepared.UUIDArray([run.job.id for run in runs]),
        "started": prepared.FloatArray([settlement.started for settlement in settlements]),
        "seconds": prepared.FloatArray([settlement.seconds for settlement in settlements]),
    }


def _order(run: Run) -> int:
    return run.job.id.int


def _alone(run: Run) -> dict[str, Any]:
    settlement = run.settlement
    return {
        "ids": run.job.id,
        "claims": run.claim_id,
        "results": settlement.result,
        "errors": settlement.error,
        "started": settlement.started,
        "seconds": settlement.seconds,
    }


def _together(runs: list[Run]) -> dict[str, Any]:
    runs.sort(key=_order)
    settlements = [run.settlement for run in runs]
    return {
        "ids": prepared.UUIDArray([run.job.id for run in runs]),
        "claims": prepared.UUIDArray([run.claim_id for run in runs]),
        "results": [settlement.result for settlement in settlements],
        "errors": [settlement.error for settlement in settlements],
        "started": prepared.FloatArray([settlement.started for settlement in settlements]),
        "seconds": prepared.FloatArray([settlement.seconds for settlement in settlements]),
    }


def _end(runs: list[Run]) -> None:
    if not runs:
        return
    try:
        _end_together(runs)
    except IntegrityError as error:
        if not violates(error, UNIQUE_KEY_QUEUED):
            raise
        for run in runs:
            _end_singly(run)


def _end_together(runs: list[Run]) -> None:
    """A caller's open transaction may hold a unique key: the wait for it is bounded."""
    runs = sorted(runs, key=_order)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        rows = prepared.fetch_rows(settle_sql.END, _columns(runs))
    _note(rows, runs)


def _end_singly(run: Run) -> None:
    for race in range(_TWIN_RACES):
        try:
            return _end_together([run])
        except IntegrityError as error:
            if not violates(error, UNIQUE_KEY_QUEUED) or race == _TWIN_RACES - 1:
                raise


def _columns(runs: list[Run]) -> dict[str, list[Any]]:
    settlements = [run.settlement for run in runs]
    return {
        "ids": [run.job.id for run in runs],
        "claims": [run.claim_id for run in runs],
        "verbs": [str(each.verb) for each in settlements],
        "states": [str(after(State.RUNNING, each.verb)) for each in settlements],
        "delays": [each.delay for each in settlements],
        "failures": [each.failures for each in settlements],
        "losses": [each.losses for each in settlements],
        "errors": [each.error for each in settlements],
        "circuits": [each.circuit for each in settlements],
        "cuts": [each.cuts for each in settlements],
        "changes": [each.changes for each in settlements],
        "reasons": [each.wait_reason for each in settlements],
        "recorded": [
            _RECORDED.get(each.verb, "") if each.writes_attempt else "" for each in settlements
        ],
        "classes": [each.error_class for each in settlements],
        "messages": [each.message for each in settlements],
        "tracebacks": [each.traceback for each in settlements],
        "started": [each.started for each in settlements],
        "seconds": [each.seconds for each in settlements],
    }


def _note(rows: list[tuple[Any, ...]], runs: list[Run]) -> None:
    """Note the answer with each run; what matched no row is a lost claim."""
    found = {row[0].int: row for row in rows}
    for run in runs:
        row = found.get(run.job.id.int)
        if row is None:
            logger.warning("lost claim: the write of job %s was refused", run.job.id)
        run.settled = REFUSED if row is None else _answer(row)


def _answer(row: tuple[Any, ...]) -> Settled:
    return _answers(row[1], row[2], row[3])


@lru_cache(maxsize=256)
def _answers(state: str, called: bool, queue: str) -> Settled:
    return Settled(State(state), called, queue)
