"""Celeriac: durable jobs for Django and Celery. What this module names is the library's door.

Each name is imported when it is first asked for, so that a module that declares kinds may be
imported before Django's models are.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celeriac.breakers.api import guard as guard
    from celeriac.breakers.errors import CircuitOpen as CircuitOpen
    from celeriac.celery.base import job as job
    from celeriac.jobs import companions as companions
    from celeriac.jobs.backoff import Backoff as Backoff
    from celeriac.jobs.callbacks.targets import CallbackRefused as CallbackRefused
    from celeriac.jobs.companions import Companion as Companion
    from celeriac.jobs.enqueueing.enqueue import (
        aenqueue as aenqueue,
        aenqueue_many as aenqueue_many,
        enqueue as enqueue,
        enqueue_many as enqueue_many,
    )
    from celeriac.jobs.errors import (
        EnqueueBusy as EnqueueBusy,
        IdempotencyConflict as IdempotencyConflict,
        InvalidArgs as InvalidArgs,
        InvalidOption as InvalidOption,
        JobCancelled as JobCancelled,
        JobError as JobError,
        JobFailed as JobFailed,
        JobNotFound as JobNotFound,
        LostClaim as LostClaim,
        NoCurrentJob as NoCurrentJob,
        Superseded as Superseded,
        TransitionRefused as TransitionRefused,
        UnknownKind as UnknownKind,
        UnknownQueue as UnknownQueue,
        WrongTransaction as WrongTransaction,
    )
    from celeriac.jobs.handle import JobHandle as JobHandle
    from celeriac.jobs.models import Job as Job
    from celeriac.jobs.operating.operate import cancel as cancel, retry as retry
    from celeriac.jobs.operating.operate_queues import (
        pause_queue as pause_queue,
        resume_queue as resume_queue,
    )
    from celeriac.jobs.outcomes import (
        Cancelled as Cancelled,
        GiveUp as GiveUp,
        Retry as Retry,
        Snooze as Snooze,
        TimeLimitExceeded as TimeLimitExceeded,
    )
    from celeriac.jobs.running.current import CurrentJob as CurrentJob, current_job as current_job
    from celeriac.jobs.words import Event as Event, Link as Link, Step as Step, Wait as Wait

#: Where each name stands.
_HOMES = {
    "guard": "celeriac.breakers.api",
    "CircuitOpen": "celeriac.breakers.errors",
    "job": "celeriac.celery.base",
    "companions": "celeriac.jobs",
    "Backoff": "celeriac.jobs.backoff",
    "CallbackRefused": "celeriac.jobs.callbacks.targets",
    "Companion": "celeriac.jobs.companions",
    "aenqueue": "celeriac.jobs.enqueueing.enqueue",
    "aenqueue_many": "celeriac.jobs.enqueueing.enqueue",
    "enqueue": "celeriac.jobs.enqueueing.enqueue",
    "enqueue_many": "celeriac.jobs.enqueueing.enqueue",
    "EnqueueBusy": "celeriac.jobs.errors",
    "IdempotencyConflict": "celeriac.jobs.errors",
    "InvalidArgs": "celeriac.jobs.errors",
    "InvalidOption": "celeriac.jobs.errors",
    "JobCancelled": "celeriac.jobs.errors",
    "JobError": "celeriac.jobs.errors",
    "JobFailed": "celeriac.jobs.errors",
    "JobNotFound": "celeriac.jobs.errors",
    "LostClaim": "celeriac.jobs.errors",
    "NoCurrentJob": "celeriac.jobs.errors",
    "Superseded": "celeriac.jobs.errors",
    "TransitionRefused": "celeriac.jobs.errors",
    "UnknownKind": "celeriac.jobs.errors",
    "UnknownQueue": "celeriac.jobs.errors",
    "WrongTransaction": "celeriac.jobs.errors",
    "JobHandle": "celeriac.jobs.handle",
    "Job": "celeriac.jobs.models",
    "cancel": "celeriac.jobs.operating.operate",
    "retry": "celeriac.jobs.operating.operate",
    "pause_queue": "celeriac.jobs.operating.operate_queues",
    "resume_queue": "celeriac.jobs.operating.operate_queues",
    "Cancelled": "celeriac.jobs.outcomes",
    "GiveUp": "celeriac.jobs.outcomes",
    "Retry": "celeriac.jobs.outcomes",
    "Snooze": "celeriac.jobs.outcomes",
    "TimeLimitExceeded": "celeriac.jobs.outcomes",
    "CurrentJob": "celeriac.jobs.running.current",
    "current_job": "celeriac.jobs.running.current",
    "Event": "celeriac.jobs.words",
    "Link": "celeriac.jobs.words",
    "Step": "celeriac.jobs.words",
    "Wait": "celeriac.jobs.words",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name from where it stands."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
