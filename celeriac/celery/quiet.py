"""Celery's signals speak of jobs, and not of the doorbells that bring them.

Of a hundred jobs in one doorbell each has its own signals, where its task is one of Celery's
(adopted/run.py). Those of the message itself would be about nothing that a project knows.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from celery import signals

from celeriac.celery.headers import DOORBELL, HEADER

_TAKEN = ("prerun", "postrun", "success")


def install_quiet() -> None:
    """Have no receiver called for a doorbell, in this process, from now on."""
    for signal in (signals.before_task_publish, signals.after_task_publish):
        _mute(signal, _sends_doorbell)
    for signal in (
        *(signals.task_prerun, signals.task_postrun, signals.task_success, signals.task_failure),
        *(signals.task_retry, signals.task_internal_error),
    ):
        _mute(signal, _runs_doorbell)
    _mute(signals.task_received, _receives_doorbell)
    # Celery's tracer takes these along when it is imported.
    if (tracer := sys.modules.get("celery.app.trace")) is not None:
        sends = {f"send_{name}": getattr(signals, f"task_{name}").send for name in _TAKEN}
        vars(tracer).update(sends)


def _mute(signal: Any, is_about_doorbell: Callable[[Any, Mapping[str, Any]], bool]) -> None:
    if "send" in vars(signal):
        return
    send = signal.send

    def send_unless(sender: Any = None, **named: Any) -> Any:
        return [] if is_about_doorbell(sender, named) else send(sender, **named)

    signal.send = send_unless


def _answers(task: Any) -> bool:
    return bool(getattr(task, "answers_doorbells", False))


def _runs_doorbell(sender: Any, named: Mapping[str, Any]) -> bool:
    return _answers(sender)


def _receives_doorbell(sender: Any, named: Mapping[str, Any]) -> bool:
    return _answers(getattr(named.get("request"), "task", None))


def _sends_doorbell(sender: Any, named: Mapping[str, Any]) -> bool:
    return (named.get("headers") or {}).get(HEADER) == DOORBELL
