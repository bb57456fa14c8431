"""What goes wrong, when: rates that repeat themselves by seed, and faults scripted one by one."""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.common import options
from sandbox.common.randomness import Turns, roll
from sandbox.gateway.errors import DECLINES

KINDS = ("drop", "error", "decline", "delay", "rate_limit")
#: When an error strikes: before execution (not saved), instead of it, or after it (both saved).
ERROR_WHEN = ("before", "during", "after")
DELAY_WHEN = ("before", "after")


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """Shares are of executed POST requests (not of replays); at most one fault strikes each.

    Attributes:
        drop_rate: the answer is lost after the effect: the connection just closes.
        error_rate: 500; `error_when` before, during or after the effect.
        decline_rate: the card is declined (402) where a card is charged.
        delay_rate: the answer comes `delay_seconds` late; `delay_when` before or after the effect.
        rate_limit_rate: 429 with Retry-After, not saved.
        latency_seconds: each POST takes that long, its key in flight.
        charge_twice: replays and retries really charge again.
        double_charge_rate: a charge is booked twice at once.
        search_lag_seconds: how long /search does not see a new object.
        webhook_*_rate: shares of deliveries that are late, doubled, reordered, preceded by a
            wrongly signed copy, or signed too long ago.
    """

    seed: int = 0
    drop_rate: float = 0.0
    error_rate: float = 0.0
    error_when: str = "after"
    decline_rate: float = 0.0
    decline_code: str = "generic_decline"
    delay_rate: float = 0.0
    delay_seconds: float = 10.0
    delay_when: str = "after"
    rate_limit_rate: float = 0.0
    retry_after_seconds: float = 1.0
    latency_seconds: float = 0.0
    charge_twice: bool = False
    double_charge_rate: float = 0.0
    search_lag_seconds: float = 0.0
    webhook_late_rate: float = 0.0
    webhook_late_seconds: float = 3.0
    webhook_duplicate_rate: float = 0.0
    webhook_reorder_rate: float = 0.0
    webhook_reorder_seconds: float = 1.0
    webhook_forge_rate: float = 0.0
    webhook_stale_rate: float = 0.0

    def __post_init__(self) -> None:
        options.check_rates(self)
        options.check_choice("error_when", self.error_when, ERROR_WHEN)
        options.check_choice("delay_when", self.delay_when, DELAY_WHEN)
        options.check_choice("decline_code", self.decline_code, DECLINES)
        if sum(getattr(self, f"{kind}_rate") for kind in KINDS) > 1 + 1e-9:
            raise options.InvalidOption("The rates of faults add up to more than 1.")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it strikes one request; `kind` is "" for none."""

    kind: str = ""
    when: str = ""
    seconds: float = 0.0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Scripted:
    """A fault for the next `times` requests that match; empty conditions match any."""

    fault: str
    times: int = 1
    when: str = ""
    seconds: float = 0.0
    code: str = ""
    endpoint: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        options.check_choice("fault", self.fault, KINDS)
        if self.when:
            choices = ERROR_WHEN if self.fault == "error" else DELAY_WHEN
            options.check_choice("when", self.when, choices)
        if self.code:
            options.check_choice("code", self.code, DECLINES)

    def matches(self, endpoint: str, reference: str) -> bool:
        """Return whether it is meant for this request."""
        return self.endpoint in {"", endpoint} and self.reference in {"", reference}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a fault is chosen by; `executes` is False for reads and replays."""

    endpoint: str
    reference: str
    key: str
    executes: bool
    charges: bool


class FaultInjector:
    """Chooses the fault of each request; settings and script change at run time."""

    def __init__(self, settings: FaultSettings) -> None:
        self._initial = settings
        self._lock = threading.Lock()
        self._script: list[Scripted] = []
        self._turns = Turns()
        self.settings = settings

    def change(self, changes: Mapping[str, Any]) -> FaultSettings:
        """Change some settings and return them all; raises InvalidOption."""
        with self._lock:
            self.settings = options.changed(self.settings, changes)
            return self.settings

    def script(self, given: Mapping[str, Any]) -> None:
        """Add a scripted fault to the end of the script; raises InvalidOption."""
        wanted = {"fault": "", **given}
        if "fault" not in given:
            raise options.InvalidOption(f"A scripted fault names its fault: {', '.join(KINDS)}.")
        fault = options.changed(Scripted("drop"), wanted)
        with self._lock:
            self._script.append(fault)

    def scripted(self) -> list[dict[str, Any]]:
        """Return the faults that wait for their request."""
        with self._lock:
            return [asdict(fault) for fault in self._script]

    def unscript(self) -> None:
        """Drop the script."""
        with self._lock:
            self._script.clear()

    def reset(self) -> None:
        """Return to the settings of the start, without a script."""
        with self._lock:
            self.settings = self._initial
            self._script.clear()
            self._turns.clear()

    def choose(self, occasion: Occasion) -> Fault:
        """Return the fault that strikes: the first scripted match, else one by the rates."""
        with self._lock:
            scripted = self._next_scripted(occasion)
            if scripted is not None:
                # An error has no "during" and "after" where nothing is executed.
                early = scripted if occasion.executes else replace(scripted, when="before")
                return self._filled(early if scripted.fault == "error" else scripted)
            if not occasion.executes:
                return Fault()
            turn = self._turns.next(occasion.key)
        return self._rolled(roll(self.settings.seed, "fault", occasion.key, turn), occasion)

    def doubles(self, key: str) -> bool:
        """Return whether the charge made under this key is booked twice."""
        settings = self.settings
        return roll(settings.seed, "double", key) < settings.double_charge_rate

    def _next_scripted(self, occasion: Occasion) -> Scripted | None:
        for place, fault in enumerate(self._script):
            if fault.fault == "decline" and not occasion.charges:
                continue
            if fault.matches(occasion.endpoint, occasion.reference):
                rest = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                self._script[place : place + 1] = rest
                return fault
        return None

    def _rolled(self, number: float, occasion: Occasion) -> Fault:
        for kind in KINDS:
            rate = getattr(self.settings, f"{kind}_rate")
            if number < rate:
                blank = kind == "decline" and not occasion.charges
                return Fault() if blank else self._filled(Scripted(kind))
            number -= rate
        return Fault()

    def _filled(self, scripted: Scripted) -> Fault:
        """Fill in from the settings what the script left open."""
        settings, kind = self.settings, scripted.fault
        when = settings.error_when if kind == "error" else settings.delay_when
        seconds = {"delay": settings.delay_seconds, "rate_limit": settings.retry_after_seconds}
        code = settings.decline_code if kind == "decline" else ""
        return Fault(
            kind,
            scripted.when or when,
            scripted.seconds or seconds.get(kind, 0.0),
            scripted.code or code,
        )
