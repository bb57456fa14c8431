"""Celery's canvas on a kind of the ledger: refused, with the alternative."""

from typing import Any, NoReturn

from apps.jobs.errors import JobError

_INSTEAD = {
    "s": (
        "signatures, chains, groups and chords carry results in messages; enqueue the next job "
        "from the handler with current_job().enqueue(step, kind, args)"
    ),
    "apply": "call the function itself, or perform_job(kind, **args) in a test",
    "retry": "raise the error (the ledger retries by the kind's Backoff) or Snooze(seconds)",
    "replace": "enqueue the other job with current_job().enqueue(step, kind, args)",
    "map": "use enqueue_many(kind, list_of_args)",
    "starmap": "use enqueue_many(kind, list_of_args)",
    "chunks": "use enqueue_many(kind, list_of_args); doorbells carry many ids by themselves",
}


class CanvasRefused(JobError):
    """Celery's canvas does not work on jobs of the ledger."""


class Refusal:
    """A method that only says what to do instead."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, task: Any, owner: type) -> Any:  # noqa: ANN401 a task, or None on the class
        """Return a method that refuses in the name of `task`."""

        def refused(*args: object, **kwargs: object) -> NoReturn:
            instead = _INSTEAD.get(self.name, _INSTEAD["s"])
            kind = getattr(task, "name", owner.__name__)
            raise CanvasRefused(f"{kind}.{self.name}() is not for jobs of the ledger: {instead}.")

        return refused


def refuse(name: str) -> Any:  # noqa: ANN401 stands where Celery has methods of many types
    """Return a method that refuses and names the alternative."""
    return Refusal(name)
