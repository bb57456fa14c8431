"""Who lives and does nothing, judged where there was something to answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q

from celeriac.core.clock import Now
from celeriac.jobs.models import Dispatcher, Worker
from celeriac.settings import conf

#: Seconds that an answer may take to be told: two beats of a worker.
PATIENCE = 10.0


#: What a dispatcher may not do, by the column that says since when.
_MISSING = (
    ("mute_since", "rings nobody: the broker takes no doorbells", "See to the broker."),
    ("deaf_since", "hears no nudges, so that jobs start late", "See to the broker."),
    ("idle_since", "can rescue nobody", "See why its database is slow or comes and goes."),
)


@dataclass(frozen=True, slots=True)
class Unresponsive:
    """A process that beats and does not do its work: who, since when, and in words."""

    process: str  # worker or dispatcher
    name: str
    says: str
    since: datetime
    todo: str

    @property
    def sentence(self) -> str:
        """Who, and what it does not."""
        return f"{self.name} {self.says}"


def unresponsive_processes() -> list[Unresponsive]:
    """Return everybody of whom it is known, in two queries."""
    return [*_workers(), *_dispatchers()]


def _workers() -> Iterator[Unresponsive]:
    patience = timedelta(seconds=max(PATIENCE, 2 * conf.HEARTBEAT_SECONDS))
    rows = Worker.objects.beating().filter(
        Q(answered_at=None) | Q(answered_at__lt=F("asked_at")), asked_at__lt=Now() - patience
    )
    for name, asked_at in rows.values_list("name", "asked_at"):
        if asked_at is None:
            continue
        todo = "Read its log and start it again: its children claim nothing, or it hears no broker."
        yield Unresponsive("worker", name, "beats and answers no doorbell", asked_at, todo)


def _dispatchers() -> Iterator[Unresponsive]:
    patience = Now() - timedelta(seconds=PATIENCE)
    for row in Dispatcher.objects.living().annotate(limit=patience):
        for column, says, todo in _MISSING:
            since = getattr(row, column)
            if since is not None and since < row.limit:  # type: ignore[attr-defined]  # annotated above
                yield Unresponsive("dispatcher", row.name, says, since, todo)
