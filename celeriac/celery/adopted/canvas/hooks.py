"""Where Celery's classes are listened to: they take a canvas apart as ever, in one recording."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from celery import canvas

from celeriac.celery.adopted.canvas.recording import (
    Ahead,
    Given,
    Position,
    Recording,
    Scope,
    What,
    current,
    is_gathering,
    leaves,
    recording,
    refuse_plain_follower,
)
from celeriac.celery.adopted.choosing import are_all_jobs, are_jobs_behind
from celeriac.celery.adopted.patterns import is_adopted, is_carried
from celeriac.celery.canvas import CanvasRefused

_MARK = "_celeriac_records"


def install_hooks() -> None:
    """Let groups, chains and chords be recorded where their tasks are the ledger's."""
    classes: Any = canvas  # their stubs lack what it really has
    if not hasattr(classes._chord, _MARK):
        classes.group.apply_async = _recorded("group", classes.group.apply_async)
        classes._chain.run = _recorded("chain", classes._chain.run)
        classes._chord.run = _chord_run(classes._chord.run)
        setattr(classes._chord, _MARK, True)


def _recorded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run(self: Any, *args: Any, **options: Any) -> Any:
        if current() is None and not any(map(_is_job, leaves(self))):
            return original(self, *args, **options)
        if name == "chain" and current() is None:
            self = self.clone()  # Celery leaves its id there: the next call would be the same one
        with recording(name, _write):
            return original(self, *args, **options)

    return run


def _chord_run(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run(self: Any, header: Any, body: Any, partial_args: Any, **options: Any) -> Any:
        found = list(leaves(header)) if header.tasks else []
        if not any(map(_is_job, found)) or not are_jobs_behind({"chord": body}):
            for each in found:
                refuse_plain_follower(each["task"], partial_args, {}, {"parent_id": ""})
            return original(self, header, body, partial_args, **options)
        if plain := [each["task"] for each in found if not _is_job(each)]:
            raise CanvasRefused(
                f"This chord's header has jobs of the ledger and plain tasks ({min(plain)}): add "
                f"{min(plain)!r} to CELERIAC['TASKS'], or take the others out."
            )
        with recording("chord", _write) as record:
            outer = record.position
            scope = Scope("header", outer.scope, outer.after, is_header=True)
            outer.scope.scopes.append(scope)
            with record.at(Position(scope)):
                result = original(self, header, body, partial_args, **options)
            position = Position(outer.scope, (Ahead(scope),), outer.cause, outer.is_aside)
            record.ask_later(position, partial(_ask_body, scope))
            return result

    return run


def _write(record: Recording) -> None:
    from celeriac.celery.adopted.canvas.writing import write_recording  # with the models

    write_recording(record)


def _ask_body(scope: Scope) -> None:
    """Ask for a chord's body as the member that ends last would: that is its parent."""
    last = scope.members()[-1] if scope.counted else None
    named = {"parent_id": last.task_id, "root_id": last.options["root_id"]} if last else {}
    scope.body.apply_async((Given(scope, What.RESULTS),), **named)


def takes_chord(body: Any) -> bool:
    """Take the body of a chord whose header is being recorded; return whether it is."""
    if not is_recording_header():
        return False
    record = current()
    assert record is not None  # noqa: S101 it was just asked
    record.position.scope.body = body
    return True


def is_recording_header() -> bool:
    """Return whether a chord's header is being recorded."""
    record = current()
    return record is not None and record.position.scope.is_header


def _is_job(call: Any) -> bool:
    name = call["task"]
    if is_adopted(name):
        return are_all_jobs(name)
    return is_carried(name, call["kwargs"]) or is_gathering(name)
