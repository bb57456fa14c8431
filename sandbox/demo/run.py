"""One demo on its stage: start, let clients order while things go wrong, wait, audit.

Import it once Django is set up.
"""

import time
from collections.abc import Callable

from rich.console import Console

from sandbox import ports
from sandbox.demo import evidence, ledger
from sandbox.demo.audit import audit, balances
from sandbox.demo.client import GO
from sandbox.demo.faults import Faults
from sandbox.demo.phase import OutagePhase
from sandbox.demo.plan import Plan
from sandbox.demo.programs import ProgramEnded
from sandbox.demo.report import show_audit, show_storm
from sandbox.demo.stage import Stage
from sandbox.demo.view import View

#: Seconds between two looks, and for the platform's start.
EVERY, START = 0.25, 120.0
#: Captures a second at the least, once the gateway is back.
SLOWEST = 10.0
PORTS = ("WEB_PORT", "GATEWAY_PORT", "SMTP_PORT", "MAILSINK_CONTROL_PORT")


class Demo:
    """The run of one demo, on a stage where everything was started."""

    def __init__(self, stage: Stage, console: Console) -> None:
        """Do nothing yet."""
        self.stage, self.options, self.console = stage, stage.options, console
        self.failures: list[str] = []

    def run(self) -> bool:
        """Play it to its end and return whether the books balance."""
        self._wait_for(self._is_up, "the platform's start", START)
        with View(self.console, self.options.orders + self.options.outage) as view:
            phase = (
                OutagePhase(self.stage, view.say, self._wait_for) if self.options.outage else None
            )
            try:
                self._play(view)
                if phase is not None:
                    phase.play()
                    self._settle(view, Plan([]), self.options.outage / SLOWEST)
            except (ProgramEnded, TimeoutError) as error:
                self.failures.append(str(error))
        books = evidence.fetch_statements(self.stage, failures=self.failures)
        checks = [*audit(books), evidence.met_outage(self.stage)]
        if phase is not None and not self.failures:
            checks += phase.checks()
        show_storm(self.console, evidence.disturbances(self.stage))
        show_audit(self.console, checks)
        return balances(checks)

    def _is_up(self) -> bool:
        listening = all(ports.is_listening(int(self.stage.env[name])) for name in PORTS)
        return listening and ledger.is_ready(self.options.workers)

    def _play(self, view: View) -> None:
        """Let clients order while things go wrong, until nothing is left to do."""
        plan = Faults(self.stage, view.say).plan()
        (self.stage.state / GO).touch()
        view.say(f"{self.options.clients} clients place {self.options.orders} orders")
        self._settle(view, plan, self.options.ordering_seconds)
        view.say("nothing is left to do")

    def _settle(self, view: View, plan: Plan, seconds: float) -> None:
        """Follow the plan until nothing is left to do, for `seconds` and what settling may take."""

        def step() -> bool:
            look = ledger.take_snapshot()
            plan.follow(look.settled / self.options.orders)
            view.show(look)
            return self._is_over(look, plan)

        try:
            self._wait_for(step, "settling all orders", seconds + self.options.settle_seconds)
        except TimeoutError:
            self.failures += ledger.stuck()
            raise

    def _is_over(self, look: ledger.Snapshot, plan: Plan) -> bool:
        clients = self.stage.programs.named("client")
        placed = all(client.exit_code == 0 for client in clients)
        return placed and plan.is_done and look.unfinished == 0

    def _wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.stage.programs.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} took longer than {seconds:g} s")
            time.sleep(EVERY)
