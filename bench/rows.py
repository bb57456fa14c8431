"""What is measured side by side: plain Celery's rows and the ledger's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: The queue that every row's workers take their work from.
QUEUE = "bench"
#: Worker processes of every row that run handlers.
CHILDREN = 2
#: What keeps a worker's hands free: no events (they are off without -E), no gossip, no mingle,
#: no heartbeat, and no log line per message.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run jobs."""

    name: str
    side: Literal["plain", "ledger"]
    #: The backlog to drain, as a multiple of the row `celery`'s: some five seconds of work.
    share: float
    says: str
    #: The kind to enqueue, or the Celery task to send.
    kind: str = "bench.touch"
    solo: bool = False
    history: bool = False
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def database(self) -> str:
        """The name of the database that the row has to itself, or shares with its like."""
        return "bench_history" if self.history else f"bench_{self.side}"

    @property
    def app(self) -> str:
        """The Celery app that the row's workers run."""
        return "bench.plain" if self.side == "plain" else "config"

    @property
    def workers(self) -> int:
        """How many worker commands make up the row."""
        return CHILDREN if self.solo else 1

    def worker_arguments(self, prefetch: int) -> list[str]:
        """Return the arguments of `celery worker`; plain rows take the given prefetch."""
        pool = ["--pool=solo", "--concurrency=1"] if self.solo else [f"--concurrency={CHILDREN}"]
        own = [f"--prefetch-multiplier={prefetch}"] if self.side == "plain" else []
        return [f"--queues={QUEUE}", *pool, *own, *QUIET]


ROWS = (
    Row("celery", "plain", 1.0, "plain Celery, ignore_result, acks_late"),
    Row("celery_solo", "plain", 2.2, "the same on two solo workers", solo=True),
    Row(
        "celery_results",
        "plain",
        0.15,
        "with django-celery-results, result_extended, track_started",
        env={"BENCH_RESULTS": "true"},
    ),
    Row("celeriac_single", "ledger", 0.7, "one id per doorbell", kind="bench.touch_single"),
    Row("celeriac", "ledger", 13.0, "as shipped"),
    Row("celeriac_history", "ledger", 13.0, "with 2,000,000 finished rows", history=True),
    # Not among the contract's rows: measured when named.
    Row(
        "celery_results_reused",
        "plain",
        0.4,
        "celery_results with connections kept between tasks",
        env={"BENCH_RESULTS": "true", "BENCH_REUSE": "true"},
    ),
)
BY_NAME = {row.name: row for row in ROWS}
#: Measured unless told otherwise.
USUAL = tuple(row.name for row in ROWS if row.name != "celery_results_reused")
