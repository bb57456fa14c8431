"""How the sink misbehaves: refusals, delays and lost replies, by seeded rates or by address."""

import fnmatch
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.common import options
from sandbox.common.randomness import Turns, roll

STAGES = ("rcpt", "data")
CODES = {
    421: "4.3.2 Service not available, closing transmission channel",
    450: "4.2.1 Mailbox unavailable, try again later",
    451: "4.3.0 Local error in processing",
    452: "4.3.1 Insufficient system storage",
    550: "5.1.1 Mailbox unavailable",
    552: "5.2.2 Mailbox full",
    554: "5.7.1 Transaction failed",
}


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """Shares are of messages (drop, delay, refusals at DATA) or recipients (refusals at RCPT).

    Attributes:
        refuse_rate: refused with `refuse_code`, at `refuse_stage` rcpt or data.
        refuse_pattern: recipients that are always refused, as comma-separated shell patterns
            ("*@bounce.example"), with `pattern_code`.
        drop_rate: kept, but the connection closes without a reply after DATA.
        delay_rate: the reply to DATA comes `delay_seconds` late (kept before the delay).
    """

    seed: int = 0
    refuse_rate: float = 0.0
    refuse_code: int = 451
    refuse_stage: str = "rcpt"
    refuse_pattern: str = ""
    pattern_code: int = 550
    drop_rate: float = 0.0
    delay_rate: float = 0.0
    delay_seconds: float = 5.0

    def __post_init__(self) -> None:
        options.check_rates(self)
        options.check_choice("refuse_stage", self.refuse_stage, STAGES)
        for name in ("refuse_code", "pattern_code"):
            if getattr(self, name) not in CODES:
                known = ", ".join(str(code) for code in CODES)
                raise options.InvalidOption(f"{name} is one of {known}.")


class FaultInjector:
    """Answers what goes wrong now; a message's tries roll anew, in an order that repeats."""

    def __init__(self, settings: FaultSettings) -> None:
        self._initial = settings
        self._lock = threading.Lock()
        self._turns = Turns()
        self.settings = settings

    def change(self, changes: Mapping[str, Any]) -> FaultSettings:
        """Change some settings and return them all; raises InvalidOption."""
        with self._lock:
            self.settings = options.changed(self.settings, changes)
            return self.settings

    def reset(self) -> None:
        """Return to the settings of the start."""
        with self._lock:
            self.settings = self._initial
            self._turns.clear()

    def refusal_of_recipient(self, address: str) -> str | None:
        """Return the reply that refuses a recipient at RCPT, or None."""
        settings = self.settings
        if _matches(address, settings.refuse_pattern):
            return _reply(settings.pattern_code)
        at_rcpt = settings.refuse_stage == "rcpt"
        struck = at_rcpt and self._strikes("refuse", address, settings.refuse_rate)
        return _reply(settings.refuse_code) if struck else None

    def refusal_of_message(self, message_id: str) -> str | None:
        """Return the reply that refuses a message at DATA, or None."""
        settings = self.settings
        at_data = settings.refuse_stage == "data"
        struck = at_data and self._strikes("refuse", message_id, settings.refuse_rate)
        return _reply(settings.refuse_code) if struck else None

    def drops(self, message_id: str) -> bool:
        """Return whether the reply to this message is lost with its connection."""
        return self._strikes("drop", message_id, self.settings.drop_rate)

    def delay(self, message_id: str) -> float:
        """Return how many seconds late the reply to this message comes."""
        late = self._strikes("delay", message_id, self.settings.delay_rate)
        return self.settings.delay_seconds if late else 0.0

    def _strikes(self, fault: str, key: str, rate: float) -> bool:
        if rate == 0:
            return False
        turn = self._turns.next(f"{fault} {key}")
        return roll(self.settings.seed, fault, key, turn) < rate


def _matches(address: str, patterns: str) -> bool:
    wanted = [pattern.strip().lower() for pattern in patterns.split(",") if pattern.strip()]
    return any(fnmatch.fnmatchcase(address.lower(), pattern) for pattern in wanted)


def _reply(code: int) -> str:
    return f"{code} {CODES[code]}"
