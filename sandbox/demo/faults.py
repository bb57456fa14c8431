"""What goes wrong on purpose: a worker dies, the gateway goes down, the broker is emptied."""

import time
from collections.abc import Callable

import redis

from celeriac.settings import conf
from sandbox.demo import ledger
from sandbox.demo.plan import FLUSH_AT, KILL_AT, OUTAGE_AT, Plan, PlannedFault
from sandbox.demo.stage import Stage

Say = Callable[[str], None]
#: Seconds to wait for the worst moment before any other will do.
PATIENCE = 5.0
#: Seconds; a longer one has a phase of its own.
LONGEST_OUTAGE = 10.0


class Faults:
    """The faults of one run, on its stage."""

    def __init__(self, stage: Stage, say: Say) -> None:
        """Do nothing yet; `say` is told of everything that happens."""
        self._stage, self._say = stage, say
        self._next_worker = stage.options.workers + 1
        self._waiting_since: dict[str, float] = {}

    def plan(self) -> Plan:
        """Return when each act is due."""
        if self._stage.options.calm:
            return Plan([])
        return Plan(
            [
                PlannedFault(KILL_AT, self.kill_a_worker),
                PlannedFault(OUTAGE_AT, self.take_the_gateway_down),
                PlannedFault(FLUSH_AT, self.empty_the_broker),
            ]
        )

    def kill_a_worker(self) -> bool:
        """SIGKILL a worker in the middle of a job, with its children, and start another."""
        busy = [each for each in self._stage.programs.named("payments") if ledger.is_busy(each.pid)]
        if not busy and not self._waited("kill"):
            return False
        victim = (busy or self._stage.programs.named("payments"))[0]
        self._stage.programs.kill(victim)
        fresh = self._stage.start_worker(self._next_worker)
        self._next_worker += 1
        self._say(f"SIGKILL to {victim.name} and its children; {fresh.name} starts in its place")
        return True

    def take_the_gateway_down(self) -> bool:
        """Cut every connection of the gateway for a while."""
        seconds = min(self._stage.options.outage_seconds, LONGEST_OUTAGE)
        self._stage.gateway.down(seconds)
        self._say(f"the gateway is down for {seconds:g} s")
        return True

    def empty_the_broker(self) -> bool:
        """FLUSHALL while doorbells lie in it."""
        with redis.Redis.from_url(self._stage.valkey.url(0), socket_timeout=5) as client:
            bells = sum(int(client.llen(name)) for name in conf.QUEUES)
            if not bells and not self._waited("flush"):
                return False
            client.flushall()
        self._say(f"FLUSHALL: the broker lost about {bells} doorbells")
        return True

    def _waited(self, what: str) -> bool:
        """Return whether the moment was waited for long enough."""
        since = self._waiting_since.setdefault(what, time.monotonic())
        return time.monotonic() - since > PATIENCE
