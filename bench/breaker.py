"""What a closed breaker adds to a call: `python -m bench.breaker DIRECTORY CALLS`.

One guarded call that does nothing, beside one bare round trip to the store from
the same process, in turns; and how many commands the store saw for each call.
The result goes to DIRECTORY/breaker.json.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

#: Calls before the clock runs: connections, scripts, the first word from the database.
WARM_UP = 200
#: Calls of one kind before the other has its turn.
TURN = 100
_BREAKER = "payments"
#: What breakers send on the path of a call.
_COMMANDS = ("evalsha", "eval")


def main(directory: Path, calls: int) -> None:
    """Measure and write the result."""
    django.setup()
    (directory / "breaker.json").write_text(json.dumps(measure(calls)))


def measure(calls: int) -> dict[str, Any]:
    """Return the medians and the round trips of a call."""
    from celeriac.breakers.api import guard
    from celeriac.breakers.shared_store import connect_store

    client = connect_store().client
    guarded = guard(_BREAKER)

    def call() -> None:
        with guarded:
            pass

    _time(call, WARM_UP)
    _time(client.ping, WARM_UP)
    before = _commands(client)
    inside, bare = [], []
    for _ in range(0, calls, TURN):
        inside += _time(call, TURN)
        bare += _time(client.ping, TURN)
    return {
        "calls": len(inside),
        "guarded_us_p50": _median(inside),
        "guarded_us_p99": _percentile(inside, 99),
        "store_round_trip_us_p50": _median(bare),
        "adds_us_p50": round(_median(inside) - _median(bare), 1),
        "store_round_trips_per_call": round((_commands(client) - before) / len(inside), 3),
    }


def _time(action: Callable[[], Any], times: int) -> list[float]:
    """Return how long each of `times` runs took, in microseconds."""
    took = []
    for _ in range(times):
        started = time.perf_counter_ns()
        action()
        took.append((time.perf_counter_ns() - started) / 1_000)
    return took


def _commands(client: Any) -> int:
    stats = client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in _COMMANDS)


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def _percentile(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1], 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
