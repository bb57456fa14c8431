"""One demo on its stage: start, let customers order while things go wrong, wait, audit.

Import it once Django is set up.
"""

import sys
import time
from collections.abc import Callable

from rich.console import Console

from sandbox import ports
from sandbox.demo import evidence, ledger
from sandbox.demo.acts import Acts
from sandbox.demo.audit import audit, balances
from sandbox.demo.options import Options
from sandbox.demo.plan import Plan
from sandbox.demo.programs import ProgramEnded
from sandbox.demo.report import show_audit, show_storm
from sandbox.demo.stage import PARTS, Stage
from sandbox.demo.view import View

#: Seconds between two looks, and for the platform's start.
EVERY, START = 0.25, 90.0
PORTS = ("WEB_PORT", "GATEWAY_PORT", "SMTP_PORT", "MAILSINK_CONTROL_PORT")


class Demo:
    """The run of one demo."""

    def __init__(self, stage: Stage, options: Options, console: Console) -> None:
        """Start nothing yet."""
        self.stage, self.options, self.console = stage, options, console
        self.failures: list[str] = []

    def run(self) -> bool:
        """Play it to its end and return whether the books balance."""
        self._start()
        with View(self.console, self.options.orders) as view:
            try:
                self._play(view)
            except (ProgramEnded, TimeoutError) as error:
                self.failures.append(str(error))
        found = evidence.books(self.stage, expected=self.options.orders, failures=self.failures)
        checks = audit(found)
        show_storm(self.console, evidence.storm(self.stage))
        show_audit(self.console, checks)
        return balances(checks)

    def _start(self) -> None:
        """Start every part of the platform and wait until all are ready."""
        for part in PARTS:
            self.stage.start_part(part)
        for number in range(self.options.workers):
            self.stage.start_worker(number + 1)
        self._wait_for(self._is_up, "the platform's start", START)

    def _is_up(self) -> bool:
        listening = all(ports.is_listening(int(self.stage.env[name])) for name in PORTS)
        return listening and ledger.is_ready(self.options.workers)

    def _play(self, view: View) -> None:
        """Let clients order while things go wrong, until nothing is left to do."""
        acts = Acts(self.stage, self.options, view.say)
        plan = acts.plan()
        for number in range(self.options.clients):
            self._start_client(number)
        view.say(f"{self.options.clients} clients place {self.options.orders} orders")

        def step() -> bool:
            look = ledger.look()
            plan.follow(look.settled / self.options.orders)
            view.show(look)
            return self._is_over(look, plan)

        try:
            self._wait_for(step, "settling all orders", self._bound)
        except TimeoutError:
            self.failures += ledger.stuck()
            raise
        view.say("nothing is left to do")

    def _start_client(self, number: int) -> None:
        options = self.options
        file = evidence.promises_file(self.stage.directory, number)
        share = [number, options.clients, options.orders, options.ordering_seconds, options.seed]
        command = [sys.executable, "-m", "sandbox.demo.client", *map(str, share), str(file)]
        self.stage.programs.start(f"client-{number + 1}", command)

    def _is_over(self, look: ledger.Look, plan: Plan) -> bool:
        clients = self.stage.programs.named("client")
        placed = all(client.exit_code == 0 for client in clients)
        return placed and plan.is_done and look.unfinished == 0

    @property
    def _bound(self) -> float:
        return self.options.ordering_seconds + self.options.settle_seconds

    def _wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.stage.programs.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} took longer than {seconds:g} s")
            time.sleep(EVERY)
