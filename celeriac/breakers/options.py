"""What a breaker may be told: validated, from settings and from its row.

`CELERIAC["BREAKERS"]` maps a name to options. A name with a colon, such as
`callbacks:example.com`, is one of a family and takes the options of `callbacks`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from celeriac.breakers.errors import InvalidOptions, UnknownBreaker
from celeriac.core.hints import did_you_mean
from celeriac.settings import conf

#: The most that `window_calls` may be: a window is read whole with each call that it counts.
MOST_CALLS = 1_000


@dataclass(frozen=True)
class Options:
    """How one breaker judges. Times are seconds, rates are shares from 0 to 1.

    The circuit opens when, in the last `window` seconds or the last `window_calls`
    calls, whichever is less, at least `min_volume` calls were counted and the share
    of failures reaches `failure_rate`, or that of calls slower than `slow_call`
    reaches `slow_rate`; and at the latest with failure number `min_volume` since the
    last success: then nothing comes back at all. It stays open for
    `cooldown`, multiplied by `cooldown_growth` each time it opens again before
    it was closed for `stable`, up to `max_cooldown`; or for as long as the
    provider asked, up to `max_retry_after`. Then `probes` calls, one at a time
    in the whole cluster, must succeed; each holds a permit for at most `permit`
    seconds (longer than a call can take). After closing, jobs are released at
    `ramp` a second in the first second and `ramp_growth` times that in each
    following one, for `ramp_seconds`.
    """

    window: float = 30.0
    window_calls: int = 100
    buckets: int = 10
    min_volume: int = 10
    failure_rate: float = 0.5
    slow_call: float = 5.0
    slow_rate: float = 0.8
    cooldown: float = 5.0
    cooldown_growth: float = 2.0
    max_cooldown: float = 300.0
    stable: float = 60.0
    permit: float = 30.0
    probes: int = 1
    max_retry_after: float = 600.0
    ramp: float = 20.0
    ramp_growth: float = 1.25
    ramp_seconds: float = 20.0
    #: `error -> bool | None`: the provider's fault, its answer, or no verdict. A
    #: dotted path, a callable, or exceptions (or their dotted paths) that are faults.
    provider_fault: Any = None

    def __post_init__(self) -> None:
        """Refuse what can't mean anything."""
        for field in fields(self):
            if field.name != "provider_fault":
                _check_number(field.name, getattr(self, field.name), whole=field.type is int)
        if self.max_cooldown < self.cooldown:
            raise InvalidOptions("max_cooldown must not be below cooldown.")
        if self.window_calls > MOST_CALLS:
            raise InvalidOptions(f"window_calls must be at most {MOST_CALLS:,}.")
        if self.min_volume > self.window_calls:
            raise InvalidOptions(
                f"min_volume must not be above window_calls ({self.window_calls}): "
                "so many calls are never counted. Raise window_calls too."
            )

    @cached_property
    def wire(self) -> str:
        """What the store's scripts need, as JSON; times in milliseconds."""
        return json.dumps(
            {
                "bucket": max(1, round(self.window * 1000 / self.buckets)),
                "buckets": self.buckets,
                "calls": self.window_calls,
                "min_volume": self.min_volume,
                "failure_rate": self.failure_rate,
                "slow_rate": self.slow_rate,
                "cooldown": round(self.cooldown * 1000),
                "growth": self.cooldown_growth,
                "max_cooldown": round(self.max_cooldown * 1000),
                "max_retry_after": round(self.max_retry_after * 1000),
                "stable": round(self.stable * 1000),
                "permit": round(self.permit * 1000),
                "probes": self.probes,
                "sync": round(conf.BREAKERS_SYNC_SECONDS * 1000),
            }
        )

    def using(self, overrides: Mapping[str, Any]) -> "Options":
        """Return these options with `overrides`; raises InvalidOptions."""
        if not overrides:
            return self
        for name in overrides:
            if name not in TUNABLE:
                raise InvalidOptions(_unknown_option(name))
        return replace(self, **overrides)

    def ramp_rate(self, elapsed: float) -> float | None:
        """Return the jobs a second that may go `elapsed` seconds after closing, None for any."""
        if elapsed < 0 or elapsed >= self.ramp_seconds:
            return None
        return self.ramp * self.ramp_growth ** int(elapsed)


#: What an operator may change at run time.
TUNABLE = frozenset(field.name for field in fields(Options)) - {"provider_fault"}

_AT_LEAST_ONE = {
    "buckets",
    "window_calls",
    "min_volume",
    "probes",
    "cooldown_growth",
    "ramp_growth",
}
_SHARES = {"failure_rate", "slow_rate"}


def declared_breakers() -> list[str]:
    """Return the declared names."""
    return sorted(conf.BREAKERS)


def breaker_options(name: str) -> Options:
    """Return the declared options of `name` or of its family.

    Raises:
        UnknownBreaker: neither is declared.
        InvalidOptions: an option is unknown, or its value does not fit.
    """
    given = conf.BREAKERS.get(name, conf.BREAKERS.get(name.split(":", 1)[0]))
    if given is None:
        raise UnknownBreaker(_unknown(name))
    try:
        return Options(**given)
    except TypeError:
        wrong = next(iter(set(given) - TUNABLE - {"provider_fault"}), "")
        raise InvalidOptions(f"BREAKERS[{name!r}]: {_unknown_option(wrong)}") from None


def longest_ramp() -> float:
    """Return the longest `ramp_seconds` in settings; what operators tuned is in their rows."""
    return max((breaker_options(name).ramp_seconds for name in declared_breakers()), default=0.0)


def _check_number(name: str, value: object, *, whole: bool) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise InvalidOptions(f"{name} must be a {'whole ' if whole else ''}number, not {value!r}.")
    if name in _SHARES and not 0 < value <= 1:
        raise InvalidOptions(f"{name} is a share: above 0, at most 1, not {value!r}.")
    if name in _AT_LEAST_ONE and value < 1:
        raise InvalidOptions(f"{name} must be 1 or more, not {value!r}.")
    if not 0 <= value < 10**7 or (value == 0 and name != "ramp_seconds"):
        raise InvalidOptions(f"{name} must be above 0, not {value!r}.")


def _unknown_option(name: str) -> str:
    return f"there is no option {name!r}.{did_you_mean(name, TUNABLE)}"


def _unknown(name: str) -> str:
    hint = did_you_mean(name, declared_breakers(), " Declare it in CELERIAC['BREAKERS'].")
    return f"There is no breaker {name!r}.{hint}"
