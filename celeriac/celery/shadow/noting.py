"""Celery's signals, from which the shadow learns what is called, started and ended."""

import logging
import os
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from celery import signals
from celery.utils import uuid
from celery.utils.time import maybe_iso8601
from django.db import DataError, transaction

from celeriac.celery.adopted.patterns import fits, is_adopted
from celeriac.celery.headers import DOORBELL, HEADER, PLAIN
from celeriac.celery.shadow.callers import call_site, open_transaction, size_of, when_ended
from celeriac.celery.shadow.notes import Note, notes
from celeriac.core import tables
from celeriac.core.clock import NOW, Now
from celeriac.core.queries import execute
from celeriac.jobs.models import ShadowCall, ShadowRun
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: The header in which a message bears the number of its caller's transaction.
SHADOW = "celeriac_shadow"
#: The outcome of a message that was thrown away, as its sender or somebody's revoke said.
THROWN_AWAY = "REVOKED"
_START = f"""
INSERT INTO {tables.SHADOW_RUN} (
    id, task, task_id, retries, started_at, host, pid, outcome, transaction
) VALUES (
    %(id)s, %(task)s, %(task_id)s, %(retries)s, {NOW}, %(host)s, %(pid)s, '',
    coalesce(pg_xact_status(%(xid)s::text::xid8), %(otherwise)s)
)
"""


def install_shadow() -> None:
    """Listen, where CELERIAC["SHADOW"] names tasks; once is enough."""
    if not conf.SHADOW:
        return
    for signal, receiver in (
        (signals.before_task_publish, note_call),
        (signals.task_prerun, note_start),
        (signals.task_postrun, note_end),
        (signals.task_revoked, note_revoked),
    ):
        # All that a message goes through is told by Celery's own signals.
        signal.connect(receiver, weak=False, dispatch_uid=f"celeriac.shadow.{receiver.__name__}")


def is_shadowed(name: str | None, said: object = None) -> bool:
    """Return whether calls of the task are noted: those that are plain messages."""
    if not name or said == DOORBELL or not fits(name, tuple(conf.SHADOW)):
        return False
    return said == PLAIN or not is_adopted(name)


def _harmless(note: Callable[..., None]) -> Callable[..., None]:
    """Let nothing that goes wrong here reach the task."""

    @wraps(note)
    def receive(*args: Any, **kwargs: Any) -> None:
        try:
            note(*args, **kwargs)
        except Exception:
            logger.exception("the shadow missed something")

    return receive


@_harmless
def note_call(sender: Any = None, body: Any = None, headers: Any = None, **_: Any) -> None:
    """Note a call before its message is published, and give the message the caller's number."""
    if not isinstance(headers, dict) or not is_shadowed(sender, headers.get(HEADER)):
        return
    xid, in_savepoint, committed = open_transaction()
    call = ShadowCall(
        task=sender,
        task_id=str(headers.get("id")),
        retries=headers.get("retries") or 0,
        eta=maybe_iso8601(headers.get("eta")),
        site=call_site(),
        args_bytes=size_of(body),
        xid=xid,
        in_savepoint=in_savepoint,
        committed=committed,
    )
    headers[SHADOW] = {"xid": str(xid) if xid else None}
    notes.add(Note(lambda note: call.save(force_insert=True)))
    if in_savepoint:
        when_ended(lambda committed: _note_commit(call, committed))


@_harmless
def note_promise(task: Any, options: dict[str, Any]) -> None:
    """Note a call that is to be sent after the commit; it gets its id now."""
    if not is_shadowed(task.name, PLAIN):
        return
    xid, in_savepoint, committed = open_transaction()
    if xid is None:
        return
    options["task_id"] = options.get("task_id") or uuid()
    call = ShadowCall(
        task=task.name,
        task_id=options["task_id"],
        site=call_site(),
        xid=xid,
        in_savepoint=in_savepoint,
        committed=committed,
        promised=True,
    )
    notes.add(Note(lambda note: call.save(force_insert=True)))
    if in_savepoint:
        when_ended(lambda committed: _note_commit(call, committed))


def _note_commit(call: ShadowCall, committed: bool) -> None:
    def write(note: Note) -> None:
        ShadowCall.objects.filter(pk=call.pk).update(committed=committed)

    notes.add(Note(write), wait=False)


@_harmless
def note_start(task_id: str = "", task: Any = None, **_: Any) -> None:
    """Note a start before the task's first line, and how its caller's transaction stood then."""
    request = task.request
    if _is_no_message(request) or not is_shadowed(task.name, request.get(HEADER)):
        return
    run_id = uuid4()
    told = request.get(SHADOW) or {}
    notes.add(Note(lambda note: _write_start(note, run_id, task_id, task, request, told)))
    request.celeriac_shadow_run = run_id


def _write_start(
    note: Note, run_id: UUID, task_id: str, task: Any, request: Any, told: dict[str, Any]
) -> None:
    xid = told.get("xid")
    values = {
        "id": run_id,
        "task": task.name,
        "task_id": task_id,
        "retries": request.retries or 0,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "xid": None if note.is_late else xid,
        "otherwise": "unknown" if xid or not told else "",
    }
    try:
        with transaction.atomic():
            execute(_START, values)
    except DataError:  # a number of another database's
        execute(_START, {**values, "xid": None})


@_harmless
def note_end(task: Any = None, state: Any = None, **_: Any) -> None:
    """Note how a start ended, in Celery's word."""
    run_id = getattr(task.request, "celeriac_shadow_run", None)
    if run_id is None:
        return

    def write(note: Note) -> None:
        ShadowRun.objects.filter(pk=run_id).update(ended_at=Now(), outcome=str(state or "FAILURE"))

    notes.add(Note(write))


@_harmless
def note_revoked(
    sender: Any = None, request: Any = None, terminated: bool = False, **_: Any
) -> None:
    """Note a message that a worker threw away, since it was revoked or had expired."""
    if terminated or not is_shadowed(sender.name, request.get(HEADER)):
        return
    run = ShadowRun(
        id=uuid4(),
        task=sender.name,
        task_id=request.id,
        retries=request.retries or 0,
        host=socket.gethostname(),
        pid=os.getpid(),
        ended_at=Now(),
        outcome=THROWN_AWAY,
    )
    notes.add(Note(lambda note: run.save(force_insert=True)), wait=False)


def _is_no_message(request: Any) -> bool:
    """Return whether a task runs eagerly, or as a job."""
    return bool(request.is_eager or getattr(request, "adopted_run", None) is not None)
