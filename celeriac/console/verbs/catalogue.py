"""The verbs that go over a whole filter: what each needs, takes, and does to a batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celeriac.console.verbs.errors import UnknownVerb
from celeriac.jobs.operating import operate
from celeriac.jobs.states import State

#: Takes the ids of a batch, the verb's parameters and the reason; returns those it changed.
Apply = Callable[[Sequence[UUID], Mapping[str, Any], str], list[UUID]]


@dataclass(frozen=True, slots=True)
class BulkAction:
    """A verb: its words for people, its permission, and the states it moves jobs from."""

    name: str
    title: str
    done: str
    permission: str
    states: tuple[State, ...]
    apply: Apply
    #: The one thing that must be said besides a reason: "priority" or "queue".
    parameter: str = ""

    @property
    def audited(self) -> str:
        """The verb as the audit trail writes it, for one job and for many."""
        return f"job.{self.name if self.name in ('retry', 'cancel') else 'change'}"

    @property
    def from_states(self) -> str:
        """The states in words."""
        return " or ".join(state.value for state in self.states)

    def checked(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters, validated; raises InvalidOption and UnknownQueue."""
        if not self.parameter:
            return {}
        value = parameters.get(self.parameter)
        given: dict[str, Any] = {self.parameter: value}
        operate.checked_changes(**given)
        return given


def find(name: str) -> BulkAction:
    """Return the verb of that name, or raise UnknownVerb."""
    if name not in VERBS:
        raise UnknownVerb(f"There is no verb {name!r}; there are {', '.join(VERBS)}.")
    return VERBS[name]


def _retry(ids: Sequence[UUID], _: Mapping[str, Any], __: str) -> list[UUID]:
    return operate.retry_ids(ids)


def _cancel(ids: Sequence[UUID], _: Mapping[str, Any], reason: str) -> list[UUID]:
    return operate.cancel_ids(ids, reason=reason)


def _run_now(ids: Sequence[UUID], _: Mapping[str, Any], __: str) -> list[UUID]:
    return operate.change_ids(ids, operate.checked_changes(run_now=True))


def _change(ids: Sequence[UUID], parameters: Mapping[str, Any], _: str) -> list[UUID]:
    return operate.change_ids(ids, operate.checked_changes(**parameters))


VERBS = {
    verb.name: verb
    for verb in (
        BulkAction(
            *("retry", "Retry", "queued again", "celeriac_jobs.retry_job"),
            (State.DEAD, State.CANCELLED),
            _retry,
        ),
        BulkAction(
            *("cancel", "Cancel", "cancelled, or asked to stop", "celeriac_jobs.cancel_job"),
            (State.QUEUED, State.RUNNING),
            _cancel,
        ),
        BulkAction(
            *("run_now", "Run now", "due now", "celeriac_jobs.run_job_now"),
            (State.QUEUED,),
            _run_now,
        ),
        BulkAction(
            *("priority", "Change priority", "changed", "celeriac_jobs.change_job_priority"),
            (State.QUEUED,),
            _change,
            "priority",
        ),
        BulkAction(
            *("queue", "Change queue", "moved", "celeriac_jobs.change_job_queue"),
            (State.QUEUED,),
            _change,
            "queue",
        ),
    )
}
