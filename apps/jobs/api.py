"""The only door to the ledger for other apps."""

from apps.jobs.backoff import Backoff
from apps.jobs.callbacks.targets import CallbackRefused
from apps.jobs.enqueueing.draft import Draft, Options, prepare
from apps.jobs.enqueueing.enqueue import (
    aenqueue,
    aenqueue_drafts,
    aenqueue_many,
    enqueue,
    enqueue_drafts,
    enqueue_many,
    prepare_many,
)
from apps.jobs.errors import (
    EnqueueBusy,
    IdempotencyConflict,
    InvalidArgs,
    InvalidOption,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotFound,
    LostClaim,
    NoCurrentJob,
    Superseded,
    TransitionRefused,
    UnknownKind,
    UnknownQueue,
    WrongTransaction,
)
from apps.jobs.explaining import companions
from apps.jobs.explaining.companions import Companion
from apps.jobs.explaining.explain import explain
from apps.jobs.explaining.words import Event, Explanation, Link, Step, Wait
from apps.jobs.handle import JobHandle, job_state, wait_for
from apps.jobs.models import Job
from apps.jobs.operating.edit import edit
from apps.jobs.operating.operate import cancel, change, retry
from apps.jobs.operating.operate_many import cancel_many, change_many, retry_many
from apps.jobs.operating.operate_queues import pause_queue, resume_queue
from apps.jobs.operating.prune import prune
from apps.jobs.operating.selectors import queue_depths
from apps.jobs.operating.show import redacted
from apps.jobs.operating.waiting import waiting
from apps.jobs.outcomes import Cancelled, GiveUp, Retry, Snooze, TimeLimitExceeded
from apps.jobs.running.current import CurrentJob, current_job

__all__ = [
    "Backoff",
    "CallbackRefused",
    "Cancelled",
    "Companion",
    "CurrentJob",
    "Draft",
    "EnqueueBusy",
    "Event",
    "Explanation",
    "GiveUp",
    "IdempotencyConflict",
    "InvalidArgs",
    "InvalidOption",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobHandle",
    "JobNotFound",
    "Link",
    "LostClaim",
    "NoCurrentJob",
    "Options",
    "Retry",
    "Snooze",
    "Step",
    "Superseded",
    "TimeLimitExceeded",
    "TransitionRefused",
    "UnknownKind",
    "UnknownQueue",
    "Wait",
    "WrongTransaction",
    "aenqueue",
    "aenqueue_drafts",
    "aenqueue_many",
    "cancel",
    "cancel_many",
    "change",
    "change_many",
    "companions",
    "current_job",
    "edit",
    "enqueue",
    "enqueue_drafts",
    "enqueue_many",
    "explain",
    "job_state",
    "pause_queue",
    "prepare",
    "prepare_many",
    "prune",
    "queue_depths",
    "redacted",
    "resume_queue",
    "retry",
    "retry_many",
    "wait_for",
    "waiting",
]
