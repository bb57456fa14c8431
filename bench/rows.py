"""What is measured side by side: plain Celery's rows and the ledger's, and tables of them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bench.handlers import PAYLOAD, WAITS

#: The queue that every row's workers take their work from, unless the row has several.
QUEUE = "bench"
#: Three of different urgency, the most urgent first.
QUEUES = (f"{QUEUE}_urgent", QUEUE, f"{QUEUE}_idle")
#: Queues whose jobs run many at a time, by the pool that their option names.
SLOTS = {"threads": f"{QUEUE}_threads", "async": f"{QUEUE}_async"}
#: Names the option of that queue in the environment of a row that has one: `threads:50`.
SLOTS_VARIABLE = "BENCH_SLOTS"
#: Says in the environment of a worker whether its children may stay on the open line.
OPEN_LINE_VARIABLE = "BENCH_OPEN_LINE"
#: Worker processes of every row that run handlers.
CHILDREN = 2
#: What keeps a worker's hands free: no events (they are off without -E), no gossip, no mingle,
#: no heartbeat, and no log line per message.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")

type Pool = Literal["prefork", "solo", "threads", "gevent", "async"]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run jobs."""

    name: str
    side: Literal["plain", "ledger", "peer", "none"]
    #: The backlog to drain, as a multiple of the row `celery`'s: some five seconds of work.
    share: float
    says: str
    #: The kinds to enqueue, or the Celery tasks to send, in turns.
    kinds: tuple[str, ...] = ("bench.touch",)
    queues: tuple[str, ...] = (QUEUE,)
    #: A backlog to drain, a steady load without one, or a backlog of jobs that wait.
    shape: Literal["drain", "steady", "waiting"] = "drain"
    #: The row that it is set against, within each round.
    baseline: str = "celery"
    pool: Pool = "prefork"
    #: Jobs at a time, over all of the row's workers.
    width: int = CHILDREN
    #: Jobs a second of a steady load.
    rate: float = 0.0
    #: Bytes of arguments beside the number.
    payload: int = 0
    history: bool = False
    #: Whether the database writes checkpoints meanwhile, as it does in a day.
    checkpoints: bool = False
    #: Whether a foreign load runs on the same database server.
    neighbour: bool = False
    #: Whether the database is as far away, and commits as slowly, as a managed one.
    remote: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    #: What starts a peer's worker, after `python`; it runs the whole width if there is one.
    command: tuple[str, ...] = ()

    @property
    def has_slots(self) -> bool:
        """Whether a queue of the ledger runs many jobs in one process."""
        return self.side == "ledger" and self.pool in SLOTS

    @property
    def environment(self) -> dict[str, str]:
        """What its processes have in their environment."""
        if self.side == "peer":
            path = (PEERS, Path.cwd(), *filter(None, [os.environ.get("PYTHONPATH")]))
            return {**self.env, "PYTHONPATH": os.pathsep.join(map(str, path))}
        slots = {SLOTS_VARIABLE: f"{self.pool}:{self.width}"} if self.has_slots else {}
        return {**self.env, **slots}

    @property
    def database(self) -> str:
        """The name of the database that the row has to itself, or shares with its like."""
        if self.history:
            return "bench_history"
        return "bench_ledger" if self.side == "ledger" else "bench_plain"

    @property
    def app(self) -> str:
        """The Celery app that the row's workers run."""
        return "bench.plain" if self.side == "plain" else "config"

    @property
    def workers(self) -> int:
        """How many worker commands make up the row."""
        if self.side == "none":
            return 0
        return self.width if self.pool == "solo" else 1

    @property
    def peer(self) -> str:
        """The name of another queue whose row it is, or nothing."""
        return self.kinds[0] if self.side == "peer" else ""

    def worker_command(self, prefetch: int) -> list[str]:
        """Return what follows `python`, but for the host's name; plain rows take the prefetch."""
        if self.command:
            return list(self.command)
        if self.has_slots:
            return ["manage.py", "celeriac", "worker", *self.queues, *QUIET]
        queues = f"--queues={','.join(self.queues)}"
        concurrency = 1 if self.pool == "solo" else self.width
        pool = [] if self.pool == "prefork" else [f"--pool={self.pool}"]
        own = [f"--prefetch-multiplier={prefetch}"] if self.side == "plain" else []
        app = ["-m", "celery", "-A", self.app, "worker"]
        return [*app, queues, *pool, f"--concurrency={concurrency}", *own, *QUIET]

    def jobs(self, usual: int) -> int:
        """Return how many jobs the backlog has where the row `celery` has `usual`."""
        if self.shape == "waiting":  # as many seconds of work for each
            return max(2 * self.width, round(self.width / WAITS * usual / 1_000))
        return max(100, round(usual * self.share))


def _steady(name: str, side: Literal["plain", "ledger", "none"], says: str) -> Row:
    return Row(name, side, 0.0, says, shape="steady", rate=200.0, baseline="celery_steady")


def _waiting(name: str, pool: Pool, width: int, says: str) -> Row:
    side: Literal["plain", "ledger"] = "plain" if name.startswith("celery_") else "ledger"
    queue = SLOTS[pool] if side == "ledger" and pool in SLOTS else QUEUE
    kind = f"bench.wait_{pool}" if queue != QUEUE else "bench.wait"
    row = Row(name, side, 0.0, says, (kind,), (queue,), "waiting", "celeriac_prefork_wait", pool)
    return replace(row, width=width)


#: Where `make peers` puts the packages of other queues.
PEERS = Path(__file__).resolve().parent.parent / ".local" / "peers"
_IN_PEERS = ("-m", "bench.peers.program")
_DRAMATIQ = ("bench.peers.dramatiq_peer", "--processes=2", "--threads=1")
_HUEY = ("bench.peers.huey_peer.huey", "--workers=2", "--worker-type=process")


def _peer(name: str, share: float, command: tuple[str, ...], pool: Pool) -> Row:
    return Row(name, "peer", share, "another queue", (name,), command=command, pool=pool)


def _steadily(row: Row) -> Row:
    name = f"{row.name}_steady"
    return replace(row, name=name, shape="steady", rate=200.0, baseline="celery_steady", share=0.0)


_RESULTS = "with django-celery-results, result_extended, track_started"
_REUSED = {"BENCH_REUSE": "true"}


def _in_three_queues(row: Row) -> Row:
    return replace(
        row,
        name=f"{row.name}_queues",
        says="over three queues",
        kinds=("bench.touch_urgent", "bench.touch", "bench.touch_idle"),
        queues=QUEUES,
        baseline="celery_steady_queues",
    )


def _realistic(name: str, side: Literal["plain", "ledger"], share: float, **more: Any) -> Row:
    says = "2 ms of processor, 1 KB of arguments, one ORM query"
    kinds = ("bench.realistic",)
    return Row(name, side, share, says, kinds, payload=PAYLOAD, baseline="celery_realistic", **more)


_CELERY_STEADY = _steady("celery_steady", "plain", "a steady load on plain Celery, no backlog")
_STEADY = _steady("celeriac_steady", "ledger", "a steady load on the ledger, no backlog")
_ALONE = replace(
    _steady("neighbour_alone", "none", "a foreign load on the database's server, alone"),
    rate=0.0,
    neighbour=True,
    checkpoints=True,
    baseline="neighbour_celery",
)

ROWS = (
    Row("celery", "plain", 1.0, "plain Celery, ignore_result, acks_late"),
    Row("celery_solo", "plain", 2.2, "the same on two solo workers", pool="solo"),
    Row("celery_results", "plain", 0.15, _RESULTS, env={"BENCH_RESULTS": "true"}),
    Row("celeriac_single", "ledger", 0.7, "one id per doorbell", ("bench.touch_single",)),
    Row("celeriac", "ledger", 13.0, "as shipped"),
    Row("celeriac_history", "ledger", 13.0, "with 2,000,000 finished rows", history=True),
    _CELERY_STEADY,
    _STEADY,
    _realistic("celery_realistic", "plain", 0.3, env=_REUSED),
    _realistic("celeriac_realistic", "ledger", 0.5),
    _waiting("celery_gevent", "gevent", 50, "300 ms of waiting on Celery's gevent pool of 50"),
    _waiting("celery_threads", "threads", 50, "the same on Celery's threads, 50"),
    _waiting("celeriac_prefork_wait", "prefork", CHILDREN, "the same on two children"),
    _waiting("celeriac_threads", "threads", 50, "the same in 50 threads of one process"),
    _waiting("celeriac_async", "async", 200, "the same in 200 coroutines of one process"),
    # Not among the contract's rows: measured when named, or with their table.
    Row(
        "celery_results_reused",
        "plain",
        0.4,
        "celery_results with connections kept between tasks",
        env={"BENCH_RESULTS": "true", **_REUSED},
    ),
    _in_three_queues(_CELERY_STEADY),
    _in_three_queues(_STEADY),
    *(
        replace(each, name=name, says=says, checkpoints=True, baseline="celery_share")
        for each, name, says in (
            (_CELERY_STEADY, "celery_share", "celery_steady with checkpoints"),
            (_STEADY, "celeriac_share", "celeriac_steady with checkpoints"),
        )
    ),
    _ALONE,
    replace(_ALONE, name="neighbour_celery", side="plain", rate=200.0, says="beside plain Celery"),
    replace(_ALONE, name="neighbour_celeriac", side="ledger", rate=200.0, says="beside the ledger"),
    Row("celery_remote", "plain", 1.0, "trips of 1 ms, commits of 2", remote=True),
    Row("celeriac_remote", "ledger", 13.0, "the same", remote=True, baseline="celery_remote"),
)
_PEERS: tuple[tuple[str, float, tuple[str, ...], Pool], ...] = (
    ("pgqueuer", 13.0, ("-m", "bench.peers.pgqueuer_peer"), "solo"),
    ("procrastinate", 0.3, ("-m", "bench.peers.procrastinate_peer"), "solo"),
    ("dramatiq", 1.0, (*_IN_PEERS, "dramatiq", *_DRAMATIQ), "prefork"),
    ("huey", 1.0, (*_IN_PEERS, "huey_consumer", *_HUEY), "prefork"),
)
ROWS += tuple(_peer(*each) for each in _PEERS)
ROWS += tuple(_steadily(_peer(*each)) for each in _PEERS)
BY_NAME = {row.name: row for row in ROWS}
#: What belongs together, by the name of its table.
TABLES = {
    "drain": ROWS[:6],
    "steady": (_CELERY_STEADY, _STEADY),
    "queues": (BY_NAME["celery_steady_queues"], BY_NAME["celeriac_steady_queues"]),
    "realistic": (BY_NAME["celery_realistic"], BY_NAME["celeriac_realistic"]),
    "waiting": tuple(row for row in ROWS if row.shape == "waiting"),
    "share": tuple(row for row in ROWS if row.checkpoints),
    "peers": (
        *(BY_NAME[name] for name in ("celery", "celeriac", "celery_steady", "celeriac_steady")),
        *(row for row in ROWS if row.side == "peer"),
    ),
    "remote": (BY_NAME["celery"], BY_NAME["celeriac"], *(row for row in ROWS if row.remote)),
}
#: Rows that need what this checkout lacks are left out of tables; they can be named.
_POOLS = (PEERS.parent.parent / "celeriac" / "jobs" / "slots.py").read_text()
NOT_YET = {row.name for row in ROWS if row.has_slots and f"{row.pool}" not in _POOLS}
#: Measured unless told otherwise.
USUAL = tuple(row.name for row in ROWS[:15] if row.name not in NOT_YET)
_VARIANT = re.compile(r"(?P<name>\w+?)_(?P<number>\d+)")


def row_named(name: str) -> Row:
    """Return a row; NAME_50 is a steady one of 50 a second, or a waiting one of width 50.

    Raises KeyError where there is none.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    found = _VARIANT.fullmatch(name)
    row = BY_NAME[found["name"] if found else name]
    number = int(found["number"]) if found else 0
    if not number or (row.shape != "steady" and row.pool in ("prefork", "solo")):
        raise KeyError(name)
    if row.shape == "steady":
        baseline = f"{row.baseline}_{number}"
        return replace(row, name=name, rate=float(number), baseline=baseline)
    return replace(row, name=name, width=number)
