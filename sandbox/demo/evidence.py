"""Fetches the statements of all parties at the end of a run, and what the platform had to bear.

Import it once Django is set up.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from celeriac.breakers import registry
from sandbox.demo import ledger
from sandbox.demo.audit import Check
from sandbox.demo.client import PROMISES
from sandbox.demo.outage import few_calls, most_calls
from sandbox.demo.phase import CIRCUIT, WIDTH
from sandbox.demo.stage import Stage
from sandbox.demo.statements import Charge, Delivery, Statements

#: How a worker or dispatcher tells of a write that came too late.
STALE = re.compile(r"lost claim: the write of job \S+ was refused")
REFERENCE = "x-reference"


def fetch_statements(stage: Stage, *, failures: Sequence[str]) -> Statements:
    """Return the statements of the ledger, the gateway, the sink and the clients."""
    charges = [
        Charge(charge.reference or "", charge.amount)
        for charge in stage.gateway.charges()
        if charge.captured
    ]
    return Statements(
        expected=stage.options.orders + stage.options.outage,
        promised=_promises(stage.state),
        orders=ledger.orders(),
        charges=charges,
        deliveries=_deliveries(stage),
        jobs=ledger.jobs(),
        stale_writes=_stale_writes(stage.programs.logs),
        failures=failures,
    )


def disturbances(stage: Stage) -> dict[str, str]:
    """Return what went wrong, as the stand-ins and the ledger counted it."""
    faults = Counter(request.fault or "none" for request in stage.gateway.requests())
    stats, sink = stage.gateway.stats(), stage.mailsink.stats()
    refused = sum(count for reply, count in sink["replies"].items() if reply[:1] in "45")
    return {
        "gateway calls": f"{stats['requests']}, {stats['replays']} of them replays",
        "answers lost after charging": str(faults["drop"]),
        "answered 500": str(faults["error"]),
        "declined": str(faults["decline"]),
        "later than the timeout": str(faults["delay"]),
        "calls that met the outage": met_outage(stage).found,
        "mails refused for now": str(refused),
        "runs that failed or were lost": _counts(ledger.scars()),
        "circuits": ledger.openings(),
    }


def met_outage(stage: Stage) -> Check:
    """Count the calls that reached a gateway that was down, against what breakers allow."""
    options = registry.get_breaker(CIRCUIT).storage.options
    slots = stage.options.workers * WIDTH
    windows = stage.gateway.outages()["windows"]
    lengths = [window["ends"] - window["started"] for window in windows]
    most = sum(most_calls(options, slots=slots, seconds=seconds) for seconds in lengths)
    return few_calls(stage.gateway.stats()["down"]["calls"], most)


def _promises(state: Path) -> list[str]:
    files = sorted(state.glob(PROMISES.format("*")))
    return [line for file in files for line in file.read_text().splitlines()]


def _deliveries(stage: Stage) -> list[Delivery]:
    found = []
    for message in stage.mailsink.messages():
        headers = {name.lower(): value for name, value in message.headers}
        found.append(Delivery(message.message_id, headers.get(REFERENCE, "")))
    return found


def _stale_writes(logs: Path) -> int:
    return sum(len(STALE.findall(log.read_text(errors="replace"))) for log in logs.glob("*.log"))


def _counts(counted: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "none"
