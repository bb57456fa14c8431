"""Celery's canvas on a kind of the ledger: refused, with the alternative."""

from collections.abc import Callable
from typing import Any, NoReturn

from celeriac.jobs.errors import JobError

_CHILD = "enqueue the next job from the handler with current_job().enqueue(step, kind, args)"
_MANY = "use enqueue_many(kind, list_of_args)"
_INSTEAD = {
    "s": f"signatures carry results in messages; {_CHILD}",
    "apply": "call the function itself, or perform_job(kind, **args) in a test",
    "retry": (
        "raise the error (the ledger retries by the kind's Backoff), Retry(seconds) or "
        "Snooze(seconds); self.retry() is there with bind=True"
    ),
    "replace": f"end this job and {_CHILD}",
    "map": _MANY,
    "starmap": _MANY,
    "chunks": f"{_MANY}; doorbells carry many ids by themselves",
    "chain": f"each job enqueues the next: {_CHILD}",
    "group": _MANY,
    "chord": (
        "let each child, when it ends, enqueue the body with unique_key= and let the body count "
        "what is done"
    ),
    "update_state": "report progress with current_job().progress(done, total)",
    "send_event": "job states are rows: nothing needs to be sent",
}


class CanvasRefused(JobError):
    """Celery's canvas does not work on jobs of the ledger."""


class RefusedMethod:
    """A method that only says what to do instead."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, task: Any, owner: type) -> Callable[..., NoReturn]:
        """Return a method that refuses in the name of `task`."""
        return _refused(f"{getattr(task, 'name', owner.__name__)}.{self.name}", self.name)


def refused_method(name: str) -> Any:
    """Return a method that refuses and names the alternative."""
    return RefusedMethod(name)


def refused_function(name: str) -> Callable[..., NoReturn]:
    """Return a function that refuses in the place of Celery's function of that name."""
    return _refused(name, name)


def _refused(shown: str, name: str) -> Callable[..., NoReturn]:
    def refused(*args: object, **kwargs: object) -> NoReturn:
        """Refuse: the ledger has no canvas.

        Raises:
            CanvasRefused: always; it says what to do instead.
        """
        instead = _INSTEAD.get(name, _INSTEAD["s"])
        raise CanvasRefused(f"{shown}() is not for jobs of the ledger: {instead}.")

    return refused
