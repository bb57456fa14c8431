"""What can go wrong when the ledger is called."""

from collections.abc import Mapping
from typing import Any

from celeriac.core.errors import CeleriacError


class JobError(CeleriacError):
    """The ledger refused."""


class UnknownKind(JobError):
    """No job of this kind is declared."""


class UnknownQueue(JobError):
    """No queue of this name is declared in CELERIAC['QUEUES']."""


class InvalidArgs(JobError):
    """The arguments do not fit the kind.

    `errors` maps each field to what is wrong with it.
    """

    def __init__(self, message: str = "", *, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})


class InvalidOption(JobError):
    """An option of the call does not fit."""


class IdempotencyConflict(JobError):
    """The idempotency key was used before with other arguments."""


class EnqueueBusy(JobError):
    """Another transaction holds the key; try again shortly."""


class WrongTransaction(JobError):
    """The open transaction is another database's, so the job could outlive its rollback."""


class JobNotFound(JobError):
    """There is no such job."""


class RouteNotOrdered(JobError):
    """Neither the broker nor the database took the order."""


class HandbackStopped(JobError):
    """A handback could not go on; what it had not sent is kept."""


class TransitionRefused(JobError):
    """The job's state forbids it."""


class Superseded(TransitionRefused):
    """A newer job of the same unique key is queued already."""


class LostClaim(JobError):
    """The run no longer owns its job: another one does, or the job was settled elsewhere."""


class FlowClosed(JobError):
    """What a job or an event was to be added to has ended."""


class FlowNotFound(JobError):
    """There is no such flow."""


class CyclicFlow(JobError):
    """Parts of a flow would wait for each other for ever."""


class NoCurrentJob(JobError):
    """There is no running job here: current_job() works inside a handler only."""


class WaitsForItself(JobError, RuntimeError):
    """A transaction waits for a job that it has enqueued, and which starts after its commit."""


class JobFailed(JobError):
    """The job ended dead."""


class WorkerLost(JobError):
    """The run ended with its process."""


class JobCancelled(JobError):
    """The job ended cancelled."""


def field_errors(errors: Mapping[str, Any]) -> str:
    """Return `errors` as one line: `amount: must be positive; id: is missing`."""
    return "; ".join(f"{field}: {problem}" for field, problem in errors.items())
