"""What a task, or a backend's OPTIONS, may say about how its jobs run."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from celeriac.core.hints import did_you_mean
from celeriac.jobs.backoff import Backoff

#: Options of registry.Kind that mean the same here.
NAMES = (
    "aliases",
    "batch",
    "breaker",
    "hard_timeout",
    "lock",
    "max_losses",
    "on_dead",
    "redact",
    "retention",
    "retry",
    "search",
    "timeout",
    "transactional",
    "unique",
)
#: These belong to one function, not to all of a backend.
_SINGLE = ("aliases", "lock", "redact", "search", "unique")


class InvalidReturn(TypeError):
    """The task returned what a result can't hold; it has done its work and is not run again."""


def policy_of_task(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the options of a task as its policy; TypeError says what was probably meant."""
    check_names("@task", options, NAMES)
    return tuple(sorted(options.items()))


def policy_of_backend(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a backend's OPTIONS as the defaults of its tasks; `retry` may be a dictionary."""
    check_names("OPTIONS", options, [name for name in NAMES if name not in _SINGLE])
    policy = dict(options)
    if isinstance(policy.get("retry"), Mapping):
        policy["retry"] = Backoff(**policy["retry"])
    return policy


def joined_policy(defaults: Mapping[str, Any], own: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the options of a kind: the backend's, overridden by the task's own.

    Without `retry` a task that fails is not run again: Django's API promises no retries.
    """
    policy = {**defaults, **dict(own)}
    retry: Backoff = policy.get("retry") or Backoff(max_attempts=1)
    policy["retry"] = replace(retry, give_up_on=(*retry.give_up_on, InvalidReturn))
    return policy


def check_names(place: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an option that does not exist, with TypeError."""
    names = sorted(known)
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names, f" Known are {', '.join(names)}.")
            raise TypeError(f"{place} has no option {name!r}.{hint}")
