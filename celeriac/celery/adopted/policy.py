"""What a Celery task's own options, and Celery's settings, make of its kind.

Celery binds its settings to the tasks themselves: what a task does not say, its settings say.
"""

from typing import Any

from celery.exceptions import SoftTimeLimitExceeded as CelerysSoftTimeLimit

from celeriac.celery.adopted.patterns import fits
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.losses import Loss
from celeriac.jobs.outcomes import Retry, TimeLimitExceeded
from celeriac.jobs.running.lost_kinds import TELL_LOST
from celeriac.settings import conf


class SoftTimeLimitExceeded(TimeLimitExceeded, CelerysSoftTimeLimit):
    """The task ran past its soft limit: Celery's own exception, and the ledger's."""

    __module__ = "celery.exceptions"  # what an AsyncResult elsewhere finds by its name
    __str__ = Exception.__str__

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled as Celery's own."""
        return CelerysSoftTimeLimit, self.args


#: "For ever", as large as the column.
FOR_EVER = 2**31 - 1
#: What RUN_AGAIN may say of a pattern.
_SAID = {
    True: frozenset({Loss.CHILD, Loss.WORKER}),
    "worker": frozenset({Loss.WORKER}),
    False: frozenset(),
}


def policy_of(task: Any) -> dict[str, Any]:
    """Return the options of the kind that a task becomes; times are in seconds."""
    retries = task.max_retries
    policy: dict[str, Any] = {
        "timeout": _limit(task, "soft_time_limit"),
        "hard_timeout": _limit(task, "time_limit"),
        "limit_error": SoftTimeLimitExceeded,
        "retry": Backoff(
            max_attempts=FOR_EVER if retries is None else max(1, retries + 1), retry_on=(Retry,)
        ),
        "runs_again": runs_again(task),
        "fails_on_outage": True,
        "on_lost": TELL_LOST,
    }
    if retries_lost(task):
        policy["loss_delay"] = float(task.default_retry_delay)
        policy["max_losses"] = policy["retry"].max_attempts
    return policy


def runs_again(task: Any) -> frozenset[Loss]:
    """Return the losses after which Celery would start the task again, or RUN_AGAIN says so."""
    overrun = {Loss.OVERRUN} if task.acks_late and not _acks_on_timeout(task) else set()
    for pattern, said in conf.RUN_AGAIN.items():
        if fits(task.name, (pattern,)):
            return _SAID[said] | overrun
    # A message that is acknowledged late goes back to the broker with its worker; with its child
    # it is rejected where the task says so, or sent again.
    worker = {Loss.WORKER} if task.acks_late else set()
    rejected = task.acks_late and task.reject_on_worker_lost
    child = {Loss.CHILD} if rejected or retries_lost(task) else set()
    return frozenset(worker | child | overrun)


def retries_lost(task: Any) -> bool:
    """Return whether a lost process counts as a retry of the task (Celery 5.7)."""
    return bool(getattr(task, "retry_on_worker_lost", False))


def _acks_on_timeout(task: Any) -> bool:
    """Return whether a task that overran is done with; Celery 5.7 knows it apart from failures."""
    said = getattr(task, "acks_on_timeout", None)
    if said is None:
        said = task.acks_on_failure_or_timeout
    return said is None or bool(said)


def _limit(task: Any, name: str) -> float | None:
    """Return a limit of the task's, or of Celery's settings, which tasks do not take before 5.7."""
    own: float | None = getattr(task, name)
    limit: float | None = task.app.conf[f"task_{name}"] if own is None else own
    return limit or None
