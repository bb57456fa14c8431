"""Celeriac: durable jobs for Django and Celery. What this module names is public.

Each name is imported when it is first asked for, so that a module that declares kinds may be
imported before Django's models are. The imports that type checkers read are the one list of names.
"""

from typing import TYPE_CHECKING

from celeriac.core.lazy import load_name, typed_imports

__version__ = "0.1.0"

if TYPE_CHECKING:
    from celeriac.breakers.api import guard as guard
    from celeriac.breakers.errors import CircuitOpen as CircuitOpen
    from celeriac.breakers.options import breaker_options as breaker_options
    from celeriac.celery.base import job as job
    from celeriac.console.audited_admin import (
        AuditedAdmin as AuditedAdmin,
        ReasonRequired as ReasonRequired,
    )
    from celeriac.console.confirmation import confirmed_action as confirmed_action
    from celeriac.console.large_tables import LargeTableAdmin as LargeTableAdmin
    from celeriac.console.readonly import (
        LINK as LINK,
        ReadOnlyAdmin as ReadOnlyAdmin,
        ReadOnlyInline as ReadOnlyInline,
        action as action,
        display as display,
        uuid_or_404 as uuid_or_404,
    )
    from celeriac.console.sites import dress_site as dress_site
    from celeriac.core import (
        audit as audit,
        check_results as check_results,
        clock as clock,
        context as context,
        tracing as tracing,
    )
    from celeriac.core.arguments import LONGEST as LONGEST
    from celeriac.core.check_results import CheckResult as CheckResult
    from celeriac.core.clock import Now as Now
    from celeriac.core.effects import require_no_transaction as require_no_transaction
    from celeriac.core.errorpages import error_page as error_page
    from celeriac.core.errors import CeleriacError as CeleriacError
    from celeriac.core.ids import read_uuid as read_uuid, uuid7 as uuid7
    from celeriac.core.keys import signing_keys as signing_keys
    from celeriac.core.models import EditedModel as EditedModel
    from celeriac.core.plugins import (
        ROLES as ROLES,
        Attention as Attention,
        AttentionSentence as AttentionSentence,
        Plugin as Plugin,
        plug_in as plug_in,
    )
    from celeriac.core.rates import limited as limited
    from celeriac.core.reporting import redact_event as redact_event
    from celeriac.core.retention import RetentionRule as RetentionRule
    from celeriac.flows.handle import FlowHandle as FlowHandle
    from celeriac.flows.parts import Result as Result
    from celeriac.flows.start import emit as emit, flow as flow, grow_flow as grow_flow
    from celeriac.flows.steering import (
        cancel_flow as cancel_flow,
        let_go_on as let_go_on,
        retry_flow as retry_flow,
    )
    from celeriac.jobs import job_pages as job_pages, phrases as phrases
    from celeriac.jobs.backoff import Backoff as Backoff
    from celeriac.jobs.callbacks.targets import CallbackRefused as CallbackRefused
    from celeriac.jobs.enqueueing.enqueue import (
        aenqueue as aenqueue,
        aenqueue_many as aenqueue_many,
        enqueue as enqueue,
        enqueue_many as enqueue_many,
    )
    from celeriac.jobs.errors import (
        CyclicFlow as CyclicFlow,
        EnqueueBusy as EnqueueBusy,
        FlowClosed as FlowClosed,
        FlowNotFound as FlowNotFound,
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
        WaitsForItself as WaitsForItself,
        WrongTransaction as WrongTransaction,
    )
    from celeriac.jobs.handle import JobHandle as JobHandle
    from celeriac.jobs.job_pages import JobPageSection as JobPageSection
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
    from celeriac.jobs.phrases import Event as Event, Link as Link, Step as Step, Wait as Wait
    from celeriac.jobs.running.current import CurrentJob as CurrentJob, current_job as current_job
    from celeriac.mail.smtp import LostAfterData as LostAfterData
    from celeriac.settings import conf as conf

_HOMES = typed_imports(__name__)
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name from where it stands."""
    return load_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
