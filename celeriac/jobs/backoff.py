"""How long to wait before the next run. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from celeriac.core.arguments import LONGEST


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter and a cap.

    The wait after failure n is drawn evenly from 0 to `min(cap, base * 2**(n-1))`
    seconds ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015), and
    never below `floor`. An error that says when to come back (`Retry-After`)
    raises the wait to that, up to `cap`.

    `retry_on` and `give_up_on` classify errors: one of `give_up_on` ends the job
    at once, and where `retry_on` is given, so does every error outside it.

    Raises:
        ValueError: there is no attempt, a time is negative or over ten years, or a class is none.
    """

    max_attempts: int = 5
    base: float = 2.0
    cap: float = 600.0
    floor: float = 0.0
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that can't mean anything."""
        if self.max_attempts < 1:
            raise ValueError("Backoff(max_attempts=…) counts runs: give 1 or more.")
        if self.base < 0 or self.cap < 0 or self.floor < 0:
            raise ValueError("Backoff(base=…, cap=…, floor=…) are seconds: give 0 or more.")
        if not all(value <= LONGEST for value in (self.base, self.cap, self.floor)):
            raise ValueError("Backoff(base=…, cap=…, floor=…) are seconds: give ten years at most.")
        for name in ("retry_on", "give_up_on"):
            errors = getattr(self, name)
            if not isinstance(errors, tuple) or not all(isinstance(each, type) for each in errors):
                raise ValueError(f"Backoff({name}=…) is a tuple of error classes, not {errors!r}.")

    def delay(
        self,
        failures: int,
        *,
        retry_after: float | None = None,
        draw: Callable[[], float] = random.random,
    ) -> float:
        """Return the seconds to wait after the `failures`-th failure (1 is the first)."""
        top = min(self.cap, self.base * 2.0 ** min(failures - 1, 60))
        jittered = max(self.floor, top * draw())
        if retry_after is None:
            return jittered
        return max(jittered, min(retry_after, max(self.cap, self.floor)))

    def retries(self, error: BaseException) -> bool:
        """Return whether `error` is worth another run."""
        if isinstance(error, self.give_up_on):
            return False
        return not self.retry_on or isinstance(error, self.retry_on)
