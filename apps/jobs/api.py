"""The only door to the ledger for other apps."""

from apps.jobs.backoff import Backoff
from apps.jobs.enqueueing.draft import Draft, Options, prepare
from apps.jobs.callbacks.targets import CallbackRefused
from apps.jobs.enqueueing.enqueue import enqueue, enqueue_drafts, enqueue_many, prepare_many
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
from apps.jobs.handle import JobHandle, job_state, wait_for
from apps.jobs.models import Job
from apps.jobs.operating.operate import cancel, change, retry
from apps.jobs.operating.operate_many import cancel_many, change_many, retry_many
from apps.jobs.operating.operate_queues import pause_queue, resume_queue
from apps.jobs.operating.prune import prune
from apps.jobs.operating.selectors import queue_depths
from apps.jobs.operating.waiting import waiting
from apps.jobs.outcomes import Cancelled, GiveUp, Retry, Snooze, TimeLimitExceeded
from apps.jobs.running.current import CurrentJob, current_job

__all__ = [
    "Backoff",
    "CallbackRefused",
    "Cancelled",
    "CurrentJob",
    "Draft",
    "EnqueueBusy",
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
    "LostClaim",
    "NoCurrentJob",
    "Options",
    "Retry",
    "Snooze",
    "Superseded",
    "TimeLimitExceeded",
    "TransitionRefused",
    "UnknownKind",
    "UnknownQueue",
    "WrongTransaction",
    "cancel",
    "cancel_many",
    "change",
    "change_many",
    "current_job",
    "enqueue",
    "enqueue_drafts",
    "enqueue_many",
    "job_state",
    "pause_queue",
    "prepare",
    "prepare_many",
    "prune",
    "queue_depths",
    "resume_queue",
    "retry",
    "retry_many",
    "wait_for",
    "waiting",
]
