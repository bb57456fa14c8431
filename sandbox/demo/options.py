"""What a demo may be told, by the command line or the environment."""

import argparse
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Orders a second that customers place, while that makes a run neither too short nor too long.
PACE, SHORTEST, LONGEST = 20.0, 10.0, 60.0
#: What the stand-ins do wrong; the environment may say otherwise, by the same names.
FAULTS = {
    "GATEWAY_LATENCY_SECONDS": "0.05",
    "GATEWAY_DROP_RATE": "0.03",
    "GATEWAY_ERROR_RATE": "0.03",
    "GATEWAY_DECLINE_RATE": "0.05",
    "GATEWAY_DELAY_RATE": "0.02",
    "GATEWAY_DELAY_SECONDS": "4",
    "MAILSINK_REFUSE_RATE": "0.03",
}
#: Seconds that a call to the gateway may take: shorter than its delay.
PATIENCE = {"PAYMENTS_TIMEOUT": "2"}


@dataclass(frozen=True, slots=True)
class Options:
    """One demo. Times are seconds; `settle_seconds` is how long the end may be waited for.

    A calm one kills nobody, takes nothing down and empties nothing. With `outage` so many more
    orders meet a gateway that is down for `outage_seconds` once the others are settled.
    """

    orders: int = 500
    seed: int = 0
    clients: int = 4
    workers: int = 2
    outage: int = 0
    outage_seconds: float = 10.0
    settle_seconds: float = 300.0
    calm: bool = False
    keep_logs: bool = False

    @property
    def ordering_seconds(self) -> float:
        """How long the customers take to place their orders."""
        return min(max(self.orders / PACE, SHORTEST), LONGEST)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what every program of the demo gets in its environment for its faults."""
        chosen = {name: given.get(name) or value for name, value in (FAULTS | PATIENCE).items()}
        return chosen | {"SEED": str(self.seed)}


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of the command line; ORDERS and SEED are its defaults."""
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--orders", type=_positive, default=env("ORDERS") or "500")
    parser.add_argument("--seed", type=int, default=env("SEED") or str(secrets.randbelow(10**6)))
    parser.add_argument("--clients", type=_positive, default="4", help="processes that order")
    parser.add_argument("--workers", type=_two_or_more, help="one is killed; 2, or 4 by --outage")
    parser.add_argument("--outage", type=_whole, default=env("OUTAGE") or "0", help="captures")
    parser.add_argument("--outage-seconds", type=float, help="10, or 30 by --outage")
    parser.add_argument("--settle-seconds", type=float, default="300")
    parser.add_argument("--calm", action="store_true", help="no kill, no outage, no FLUSHALL")
    parser.add_argument("--keep-logs", action="store_true", help="even when the books balance")
    given = parser.parse_args(arguments)
    given.workers = given.workers or (4 if given.outage else 2)
    given.outage_seconds = given.outage_seconds or (30.0 if given.outage else 10.0)
    return Options(**vars(given))


def _whole(text: str) -> int:
    return _at_least(0, text)


def _positive(text: str) -> int:
    return _at_least(1, text)


def _two_or_more(text: str) -> int:
    return _at_least(2, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up.")
    return int(text)
