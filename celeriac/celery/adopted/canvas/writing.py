"""Writing a recorded canvas: as a flow, or as a job where it is no more than one."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction

from celeriac.celery.adopted import declaring
from celeriac.celery.adopted.calls import encode_call
from celeriac.celery.adopted.canvas import inputs
from celeriac.celery.adopted.canvas.recording import (
    Ahead,
    CanvasCall,
    Given,
    Recording,
    Scope,
    What,
)
from celeriac.celery.adopted.lookup import find_jobs
from celeriac.celery.adopted.options import name_of_job, read_options
from celeriac.celery.adopted.publishing import publishing
from celeriac.celery.adopted.writing import write_call
from celeriac.core.arguments import LONGEST
from celeriac.core.ids import uuid7
from celeriac.flows.declaring import Flow
from celeriac.flows.parts import End, FlowPart
from celeriac.flows.start import flow
from celeriac.jobs.enqueueing.draft import Draft, prepare_draft
from celeriac.jobs.enqueueing.enqueue import transaction_elsewhere
from celeriac.jobs.errors import IdempotencyConflict
from celeriac.jobs.nodes.sql import TIMES
from celeriac.jobs.nodes.states import IfDead


def write_recording(record: Recording) -> None:
    """Write what was recorded: in the open transaction, or once another database's commits."""
    for call in record.calls:
        call.id = call.id or uuid7()
        _add_headers(call, record.headers)
    for call in _given_calls(record):
        _add_headers(call, {inputs.KEPT: True})
    if (other := transaction_elsewhere()) is not None:
        transaction.on_commit(partial(write_recording, record), using=other)
    elif len(record.calls) == 1:
        call = record.calls[0]
        write_call(call.task, call.args, call.kwargs, call.name, call.options, is_told=True)
    else:
        try:
            with ExitStack() as told, flow(record.root.name) as whole:
                _Writer(whole, told).write(record)
        except IntegrityError as error:
            _require_same(record, error)


def _require_same(record: Recording, error: IntegrityError) -> None:
    """Take a canvas whose first call has the id of a job for that one again, as a call alone is.

    Raises:
        IdempotencyConflict: another of its calls has the id of a job, or two of them have one.
    """
    first = record.calls[0]
    known = find_jobs(call.name for call in record.calls)
    if first.name not in known or known[first.name].kind != first.task.name:
        named = min(known) if known else "one of its ids"
        raise IdempotencyConflict(
            f"The canvas {record.root.name!r} can't be written: {named} is the id of another job, "
            "or of two of its calls. Let Celery choose the ids.",
            job_id=str(known[named].id) if known else "",
        ) from error


def _add_headers(call: CanvasCall, headers: dict[str, Any]) -> None:
    if headers:
        call.options["headers"] = {**(call.options.get("headers") or {}), **headers}


def _given_calls(record: Recording) -> Iterator[CanvasCall]:
    """Iterate over the calls whose results others are given."""
    for call in record.calls:
        for value in (*call.args, *call.kwargs.values()):
            if not isinstance(value, Given):
                continue
            if isinstance(value.of, Scope):
                yield from value.of.members()
            elif value.what is What.RESULT:
                yield value.of


class _Writer:
    """Makes parts of a flow of calls; what is before is made first."""

    def __init__(self, whole: Flow, told: ExitStack) -> None:
        self._told = told
        self._flows: dict[int, Flow] = {}
        self._parts: dict[int, FlowPart] = {}
        self._whole = whole

    def write(self, record: Recording) -> None:
        """Declare all parts."""
        self._flows[id(record.root)] = self._whole
        if _is_plain_group(record.root):
            self._group(record.root, self._whole)
            return
        self._scope(record.root)

    def _scope(self, scope: Scope) -> None:
        """Declare what is in a scope; what waits for a header is declared after it."""
        waiting: list[CanvasCall | Scope] = [*scope.scopes, *scope.calls]
        while waiting:
            waiting = [each for each in waiting if not self._make(each)]

    def _make(self, each: CanvasCall | Scope) -> bool:
        """Declare a call or a header if all that it waits for is; return whether it is now."""
        if any(id(end.of) not in self._parts for end in each.after):
            return False
        if isinstance(each, Scope):
            self._header(each)
        else:
            self._call(each)
        return True

    def _header(self, scope: Scope) -> None:
        outer = self._flows[id(scope.outer)]
        if _is_plain_group(scope):
            self._parts[id(scope)] = self._group(scope, outer)
            return
        inner = outer.subflow(scope.name, after=self._ends(scope.after), if_dead=IfDead.GO_ON)
        self._parts[id(scope)] = inner.part
        inner.part.id = uuid7()
        self._flows[id(scope)] = inner
        self._scope(scope)

    def _group(self, scope: Scope, within: Flow) -> FlowPart:
        """Declare calls of which none is waited for alone as one group."""
        node = uuid7()
        part = within.add_drafted(
            scope.name,
            (self._draft(call) for call in scope.calls),
            after=self._ends(scope.after),
            if_dead=IfDead.GO_ON,
        )
        part.id = node
        for call in scope.calls:
            self._parts[id(call)] = part
        return part

    def _call(self, call: CanvasCall) -> None:
        draft = self._draft(call)
        part = self._flows[id(call.scope)].add_drafted(
            call.task.name,
            [draft],
            after=self._ends(call.after),
            if_dead=IfDead.GO_ON if call.is_aside else IfDead.STOP,
            job_id=draft.id,
        )
        self._parts[id(call)] = part

    def _ends(self, after: tuple[Ahead, ...]) -> list[End]:
        return [End(self._parts[id(end.of)], end.condition) for end in after]

    def _draft(self, call: CanvasCall) -> Draft:
        """Return the draft of a call's job."""
        declaring.kind_of(call.task)
        times = _take_times(call)
        read = read_options(call.task, call.args, call.kwargs, call.options)
        named = {**name_of_job(call.name), "job_id": call.id}
        args, kwargs, given = self._stand_ins(call)
        values = encode_call(args, kwargs)
        read.headers |= times | ({inputs.KEY: given} if given else {})
        self._told.enter_context(publishing(call.task, values, read, named))
        options: Any = {**read.enqueue, **named, "headers": read.headers or None}
        return prepare_draft(call.task.name, values, options)

    def _stand_ins(self, call: CanvasCall) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        """Return the arguments without stand-ins, and what takes the places of those."""
        given: dict[str, Any] = {}
        args = [self._plain(value, given, str(place)) for place, value in enumerate(call.args)]
        kwargs = {name: self._plain(value, given, name) for name, value in call.kwargs.items()}
        return args, kwargs, given

    def _plain(self, value: Any, given: dict[str, Any], place: str) -> Any:
        if not isinstance(value, Given):
            return value
        given[place] = {"what": value.what, **self._source(value.of)}
        return None

    def _source(self, of: CanvasCall | Scope) -> dict[str, Any]:
        if isinstance(of, CanvasCall):
            return {"job": str(of.id)}
        part = self._parts[id(of)]
        if _is_plain_group(of):
            return {"group": str(part.id), "count": len(of.calls)}
        return {"jobs": [str(call.id) for call in of.members()]}


def _take_times(call: CanvasCall) -> dict[str, Any]:
    """Take what a call counts from when nothing is before it any more: Celery sends it then."""
    scope: Scope | None = call.scope
    waits = bool(call.after)
    while scope is not None and not waits:
        waits, scope = bool(scope.after), scope.outer
    if not waits:
        return {}
    found: dict[str, Any] = {}
    for name in ("countdown", "expires"):
        value = call.options.get(name)
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, int | float) and 0 < value <= LONGEST:
            found[name] = value
            del call.options[name]
    return {TIMES: found} if found else {}


def _is_plain_group(scope: Scope) -> bool:
    """Return whether its calls are a group's members, with nothing between them."""
    return (
        not scope.scopes
        and bool(scope.calls)
        and not (scope.is_header and len(scope.counted) < len(scope.calls))
        and not any(call.is_followed or call.after for call in scope.calls)
    )
