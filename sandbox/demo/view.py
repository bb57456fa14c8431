"""What one sees: a live picture on a terminal, plain lines elsewhere."""

import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sandbox.demo.ledger import Circuit, Snapshot

#: Seconds between two plain lines.
EVERY = 5.0
EVENTS = 10
VIEWS = ("due", "later", "running", "succeeded", "dead")
COLOURS = {"closed": "green", "open": "red", "half_open": "yellow"}


class View:
    """Shows looks and events, on a terminal in place, else line by line."""

    def __init__(self, console: Console, orders: int) -> None:
        """Show nothing yet."""
        self._console, self._orders = console, orders
        self._started = time.monotonic()
        self._printed = float("-inf")
        self._events: deque[str] = deque(maxlen=EVENTS)
        self._seen: tuple[str, ...] = ()
        self._losses = 0
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back, the last picture standing."""
        if self._live is not None:
            self._live.stop()

    def say(self, what: str) -> None:
        """Note an event."""
        line = f"{time.monotonic() - self._started:5.1f} s  {what}"
        self._events.append(line)
        if self._live is None:
            self._console.print(line, markup=False, highlight=False)

    def show(self, look: "Snapshot") -> None:
        """Show how the platform stands, and what happened since the last look."""
        for transition in look.transitions[len(self._seen) :]:
            self.say(transition)
        if look.losses > self._losses:
            self.say(f"rescued: {look.losses - self._losses} runs that had lost their process")
        self._seen, self._losses = look.transitions, look.losses
        if self._live is not None:
            self._live.update(self._picture(look), refresh=True)
        elif time.monotonic() - self._printed > EVERY:
            self._printed = time.monotonic()
            self.say(_line(look, self._orders))

    def _picture(self, look: "Snapshot") -> Group:
        happened = Text("\n".join(self._events))
        return Group(
            _progress(look, self._orders),
            _backlog(look),
            _circuits(look.circuits, look.workers),
            Panel(happened, title="what happened", title_align="left", border_style="dim"),
        )


def _progress(look: "Snapshot", orders: int) -> Table:
    table = Table.grid(padding=(0, 2))
    written = sum(look.mails.values())
    for name, done, total in (
        ("placed", look.placed, orders),
        ("settled", look.settled, orders),
        ("mailed", look.mails.get("accepted", 0), max(orders, written)),
    ):
        bar = ProgressBar(total=total, completed=done, width=40)
        table.add_row(name, bar, f"{done} of {total}")
    return table


def _backlog(look: "Snapshot") -> Table:
    table = Table("queue", *VIEWS, title="jobs", title_justify="left", border_style="dim")
    for queue, views in sorted(look.queues.items()):
        table.add_row(queue, *(str(views.get(view, 0)) for view in VIEWS))
    return table


def _circuits(circuits: "tuple[Circuit, ...]", workers: int) -> Text:
    text = Text("circuits  ")
    for each in circuits:
        text.append(f"{each.name} ")
        text.append(each.state, style=COLOURS.get(each.state, "red"))
        waits = each.seconds is not None and each.state == "open" and each.seconds > 0
        text.append(f" ({each.seconds:.0f} s)   " if waits else "   ")
    return text.append(f"workers beating {workers}")


def _line(look: "Snapshot", orders: int) -> str:
    circuits = ", ".join(f"{each.name} {each.state}" for each in look.circuits)
    backlog = ", ".join(
        f"{queue} {sum(views.get(view, 0) for view in ('due', 'later', 'running'))}"
        for queue, views in sorted(look.queues.items())
    )
    mailed = look.mails.get("accepted", 0)
    return (
        f"{look.placed}/{orders} placed, {look.settled} settled, {mailed} mailed; "
        f"backlog: {backlog}; circuits: {circuits}"
    )
