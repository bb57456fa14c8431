"""Celeriac: durable jobs for Django and Celery. What this module names is the library's door.

Each name is imported when it is first asked for, so that a module that declares kinds may be
imported before Django's models are.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from celeriac.breakers.api import guard as guard
    from celeriac.breakers.errors import CircuitOpen as CircuitOpen
    from celeriac.breakers.options import breaker_options as breaker_options
    from celeriac.celery.base import job as job
    from celeriac.console.audited import AsksWhy as AsksWhy, Audited as Audited
    from celeriac.console.confirming import confirmed as confirmed
    from celeriac.console.growing import GrowingAdmin as GrowingAdmin
    from celeriac.console.readonly import (
        LINK as LINK,
        ReadOnlyAdmin as ReadOnlyAdmin,
        ReadOnlyInline as ReadOnlyInline,
        action as action,
        display as display,
        uuid_or_404 as uuid_or_404,
    )
    from celeriac.core import (
        audit as audit,
        clock as clock,
        context as context,
        findings as findings,
        tracing as tracing,
    )
    from celeriac.core.arguments import LONGEST as LONGEST
    from celeriac.core.clock import Now as Now
    from celeriac.core.effects import require_no_transaction as require_no_transaction
    from celeriac.core.errorpages import error_page as error_page
    from celeriac.core.errors import CeleriacError as CeleriacError
    from celeriac.core.findings import Finding as Finding
    from celeriac.core.ids import uuid7 as uuid7
    from celeriac.core.keys import signing_keys as signing_keys
    from celeriac.core.models import EditedModel as EditedModel
    from celeriac.core.plugins import (
        ROLES as ROLES,
        Attention as Attention,
        Plugin as Plugin,
        Sentence as Sentence,
        plug_in as plug_in,
    )
    from celeriac.core.rates import limited as limited
    from celeriac.core.retention import RetentionRule as RetentionRule
    from celeriac.jobs import companions as companions, words as words
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
    from celeriac.jobs.words import (
        Event as Event,
        Link as Link,
        Step as Step,
        Wait as Wait,
    )
    from celeriac.settings import conf as conf

#: Where each name stands.
_HOMES = {
    "AsksWhy": "celeriac.console.audited",
    "Attention": "celeriac.core.plugins",
    "Audited": "celeriac.console.audited",
    "Backoff": "celeriac.jobs.backoff",
    "CallbackRefused": "celeriac.jobs.callbacks.targets",
    "Cancelled": "celeriac.jobs.outcomes",
    "CeleriacError": "celeriac.core.errors",
    "CircuitOpen": "celeriac.breakers.errors",
    "Companion": "celeriac.jobs.companions",
    "CurrentJob": "celeriac.jobs.running.current",
    "EditedModel": "celeriac.core.models",
    "EnqueueBusy": "celeriac.jobs.errors",
    "Event": "celeriac.jobs.words",
    "Finding": "celeriac.core.findings",
    "GiveUp": "celeriac.jobs.outcomes",
    "GrowingAdmin": "celeriac.console.growing",
    "IdempotencyConflict": "celeriac.jobs.errors",
    "InvalidArgs": "celeriac.jobs.errors",
    "InvalidOption": "celeriac.jobs.errors",
    "Job": "celeriac.jobs.models",
    "JobCancelled": "celeriac.jobs.errors",
    "JobError": "celeriac.jobs.errors",
    "JobFailed": "celeriac.jobs.errors",
    "JobHandle": "celeriac.jobs.handle",
    "JobNotFound": "celeriac.jobs.errors",
    "LINK": "celeriac.console.readonly",
    "LONGEST": "celeriac.core.arguments",
    "Link": "celeriac.jobs.words",
    "LostClaim": "celeriac.jobs.errors",
    "NoCurrentJob": "celeriac.jobs.errors",
    "Now": "celeriac.core.clock",
    "Plugin": "celeriac.core.plugins",
    "ROLES": "celeriac.core.plugins",
    "ReadOnlyAdmin": "celeriac.console.readonly",
    "ReadOnlyInline": "celeriac.console.readonly",
    "RetentionRule": "celeriac.core.retention",
    "Retry": "celeriac.jobs.outcomes",
    "Sentence": "celeriac.core.plugins",
    "Snooze": "celeriac.jobs.outcomes",
    "Step": "celeriac.jobs.words",
    "Superseded": "celeriac.jobs.errors",
    "TimeLimitExceeded": "celeriac.jobs.outcomes",
    "TransitionRefused": "celeriac.jobs.errors",
    "UnknownKind": "celeriac.jobs.errors",
    "UnknownQueue": "celeriac.jobs.errors",
    "Wait": "celeriac.jobs.words",
    "WrongTransaction": "celeriac.jobs.errors",
    "action": "celeriac.console.readonly",
    "aenqueue": "celeriac.jobs.enqueueing.enqueue",
    "aenqueue_many": "celeriac.jobs.enqueueing.enqueue",
    "audit": "celeriac.core",
    "breaker_options": "celeriac.breakers.options",
    "cancel": "celeriac.jobs.operating.operate",
    "clock": "celeriac.core",
    "companions": "celeriac.jobs",
    "conf": "celeriac.settings",
    "confirmed": "celeriac.console.confirming",
    "context": "celeriac.core",
    "current_job": "celeriac.jobs.running.current",
    "display": "celeriac.console.readonly",
    "enqueue": "celeriac.jobs.enqueueing.enqueue",
    "enqueue_many": "celeriac.jobs.enqueueing.enqueue",
    "error_page": "celeriac.core.errorpages",
    "findings": "celeriac.core",
    "guard": "celeriac.breakers.api",
    "job": "celeriac.celery.base",
    "limited": "celeriac.core.rates",
    "pause_queue": "celeriac.jobs.operating.operate_queues",
    "plug_in": "celeriac.core.plugins",
    "require_no_transaction": "celeriac.core.effects",
    "resume_queue": "celeriac.jobs.operating.operate_queues",
    "retry": "celeriac.jobs.operating.operate",
    "signing_keys": "celeriac.core.keys",
    "tracing": "celeriac.core",
    "uuid7": "celeriac.core.ids",
    "words": "celeriac.jobs",
    "uuid_or_404": "celeriac.console.readonly",
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
