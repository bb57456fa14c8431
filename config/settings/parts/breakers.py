"""Circuit breakers. The options are those of celeriac.breakers.options.Options."""

from typing import Any

from celeriac.core.environment import env

#: By name; `family:member` (such as `callbacks:example.com`) takes the options of `family`.
BREAKERS: dict[str, dict[str, Any]] = {
    "payments": {},
    "email": {"slow_call": 10.0, "permit": 60.0},
    "callbacks": {"min_volume": 5, "max_cooldown": 900.0},
}
#: Windows and probe permits. Nothing in it is missed when it is emptied.
BREAKERS_STORE_URL = env.str(
    "BREAKERS_STORE_URL", default=env.str("BROKER_URL", default="redis://localhost:6379/0")
)
#: Seconds that one question to the store may take.
BREAKERS_STORE_TIMEOUT = env.float("BREAKERS_STORE_TIMEOUT", default=0.1)
#: Seconds for which a store that failed is not asked.
BREAKERS_STORE_MUTE_SECONDS = env.float("BREAKERS_STORE_MUTE_SECONDS", default=3.0)
#: How often, across all processes, a breaker's store and database are compared; seconds.
BREAKERS_SYNC_SECONDS = env.float("BREAKERS_SYNC_SECONDS", default=5.0)
