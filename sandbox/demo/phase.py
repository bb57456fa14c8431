"""The outage phase: a backlog of captures runs into a gateway that is down, and out of it.

Nothing else goes wrong meanwhile, so that the calls, the ramp and the failures can be held
against what they may be. Import it once Django is set up.
"""

import random
from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import transaction

from apps.orders.services import order_create
from celeriac import pause_queue, resume_queue
from celeriac.breakers import registry
from celeriac.breakers.models import Breaker, Transition
from celeriac.breakers.replies import BreakerState
from celeriac.core import clock
from celeriac.jobs.models import Job
from celeriac.jobs.slots import slots_of_queue
from sandbox.demo.audit import CAPTURE, Check
from sandbox.demo.client import CARD, PROMISES, basket
from sandbox.demo.outage import Outage, Start, check
from sandbox.demo.stage import Stage

QUEUE = CIRCUIT = "payments"
#: Orders placed in one transaction.
AT_ONCE = 100
#: Captures that each of its workers runs at a time: such a worker is one process in the Procfile.
WIDTH = slots_of_queue(QUEUE).width
#: Rates at which the gateway misbehaves: in this phase, never.
RATES = ("drop_rate", "error_rate", "decline_rate", "delay_rate")

Wait = Callable[[Callable[[], bool], str, float], None]


class OutagePhase:
    """Places orders behind a paused queue, takes the gateway down and lets them go."""

    def __init__(self, stage: Stage, say: Callable[[str], None], wait: Wait) -> None:
        """Do nothing yet; `wait` waits for a condition, a name of it and at most so long."""
        self._stage, self._say, self._wait = stage, say, wait
        self._options = stage.options
        self._began: datetime | None = None

    def play(self) -> None:
        """Play it until every order is settled."""
        count, seconds = self._options.outage, self._options.outage_seconds
        pause_queue(QUEUE, reason="a backlog gathers for the outage", actor="demo")
        self._wait(self._is_calm, "what still runs", 60.0)
        self._stage.gateway.faults(**dict.fromkeys(RATES, 0.0))
        self._began = clock.db_now()
        self._place(count)
        self._say(f"{count} captures are queued; the gateway is down for {seconds:g} s")
        self._stage.gateway.down(seconds)
        resume_queue(QUEUE, actor="demo")
        self._wait(self._is_open, "the circuit's opening", 60.0)

    def checks(self) -> list[Check]:
        """Return what the outage cost."""
        return [*check(self._seen()), self._blameless()]

    def _place(self, count: int) -> None:
        with (self._stage.state / PROMISES.format("outage")).open("a") as promises:
            for start in range(0, count, AT_ONCE):
                with transaction.atomic():
                    ids = list(self._orders(range(start, min(start + AT_ONCE, count))))
                promises.writelines(f"{order_id}\n" for order_id in ids)

    def _orders(self, customers: range) -> Iterator[object]:
        for customer in customers:
            chance = random.Random(f"{self._options.seed} outage {customer}")  # noqa: S311 no secret
            email = f"patient-{customer}@shop.example"
            yield order_create(email=email, items=basket(chance), payment_method=CARD).id

    def _is_calm(self) -> bool:
        closed = Breaker.objects.get(name=CIRCUIT).state == BreakerState.CLOSED
        return closed and not Job.objects.running().filter(queue=QUEUE).exists()

    def _is_open(self) -> bool:
        return Breaker.objects.get(name=CIRCUIT).state != BreakerState.CLOSED

    def _seen(self) -> Outage:
        window = self._stage.gateway.outages()["windows"][-1]
        opened = Transition.objects.filter(
            breaker=CIRCUIT, to_state=BreakerState.OPEN, at__gt=self._began
        ).earliest("at")
        closed_at = Breaker.objects.get(name=CIRCUIT).closed_at
        assert closed_at is not None  # noqa: S101 every order was settled, so it has closed
        return Outage(
            options=registry.get_breaker(CIRCUIT).storage.options,
            slots=self._options.workers * WIDTH,
            down=window["started"],
            up=window["ends"],
            opened=opened.at.timestamp(),
            closed=closed_at.timestamp(),
            calls=self._stage.gateway.requests(),
            starts=list(self._starts()),
        )

    def _starts(self) -> Iterator[Start]:
        rows = Job.objects.filter(kind=CAPTURE, created_at__gt=self._began)
        for run_at, started_at in rows.values_list("run_at", "started_at"):
            if started_at is not None:
                yield Start(run_at.timestamp(), started_at.timestamp())

    def _blameless(self) -> Check:
        rows = Job.objects.filter(kind=CAPTURE, created_at__gt=self._began)
        blamed = rows.exclude(failures=0, losses=0)
        problems = [f"job {job.id}: {job.failures} failures, {job.losses} losses" for job in blamed]
        return Check("no capture was blamed for it", f"{rows.count()} captures", problems)
