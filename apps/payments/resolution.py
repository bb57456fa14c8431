"""What to do next about an operation without an answer. Pure.

The steps, in order: ask again under the same key while the provider still honours it; look for
the operation by our reference; ask a human. A new key is never minted: money may have moved.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Step(StrEnum):
    """A step of the resolution."""

    ASK = "ask"
    LOOK_UP = "look_up"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class ResolutionRules:
    """How far each step reaches. `key_life` stays below the provider's own 24 hours.

    A look-up may lag behind: only after `max_lookups` of them, the last one `lookup_settle`
    after the last call, does "not found" mean that a human must look.
    """

    key_life: timedelta = timedelta(hours=23)
    max_lookups: int = 4
    lookup_settle: timedelta = timedelta(minutes=2)
    base: float = 2.0
    cap: float = 600.0


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """Where an operation stands: what its resolution looks at."""

    submitted_at: datetime
    called_at: datetime
    attempts: int
    lookups: int
    key_spent: bool
    provider_knows: bool


def next_step(status: OperationStatus, now: datetime, rules: ResolutionRules) -> Step:
    """Return the step to take now."""
    honoured = now - status.submitted_at < rules.key_life
    if honoured and not status.key_spent and not status.provider_knows:
        return Step.ASK
    settled = now - status.called_at >= rules.lookup_settle
    if status.lookups >= rules.max_lookups and settled:
        return Step.REVIEW
    return Step.LOOK_UP


def seconds_to_next_step(
    status: OperationStatus, rules: ResolutionRules, *, draw: Callable[[], float] = random.random
) -> float:
    """Return the seconds until the next step: doubled each time up to the cap.

    Half of it is drawn by lot ("equal jitter", AWS Architecture Blog, 2015), so that what got
    lost together does not come back together, and none comes back at once.
    """
    tries = max(1, status.attempts + status.lookups)
    top = min(rules.cap, rules.base * 2.0 ** min(tries - 1, 30))
    return top / 2 + top / 2 * draw()
