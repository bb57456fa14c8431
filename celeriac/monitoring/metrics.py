"""The metrics of the contract, in Prometheus' text format.

Counters and histograms are totals that processes add to every few seconds (core/counting);
gauges are asked when somebody scrapes, from the rows of now and never from history.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from celeriac.breakers import selectors as breakers
from celeriac.core import tables
from celeriac.core.clock import NOW, Now
from celeriac.core.counting.counters import BOUNDS, SPAN
from celeriac.core.models import Counter
from celeriac.core.plugins import plugins
from celeriac.core.queries import execute, fetch_row
from celeriac.jobs import invalid_messages, metrics
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.models import Worker
from celeriac.jobs.operating.selectors import Depth, queue_depths
from celeriac.monitoring.bounded_calls import BoundedCall
from celeriac.monitoring.shared_answers import SharedAnswer
from celeriac.settings import conf

#: A silent worker is shown that long, so that an alert that it causes ends.
SHOWN_FOR = timedelta(minutes=15)
VIEWS = ("queued", "scheduled", "retrying", "parked", "running")
CIRCUITS = {"closed": 0, "half_open": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class ContractMetric:
    """A counter or histogram of the contract."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    is_histogram: bool = False


COUNTED = (
    ContractMetric(metrics.ENQUEUED, "Jobs written and committed.", ("kind", "queue")),
    ContractMetric(
        metrics.RUNS, "Runs that ended, by how they ended.", ("kind", "queue", "outcome")
    ),
    ContractMetric(metrics.RUN_SECONDS, "How long handlers ran.", ("kind",), is_histogram=True),
    ContractMetric(
        metrics.WAIT_SECONDS,
        "From the time a job was due to the start of its handler.",
        ("kind", "queue"),
        is_histogram=True,
    ),
    ContractMetric(metrics.RINGS, "Jobs rung; one that is rung again counts again.", ("queue",)),
    ContractMetric(metrics.STALE, "Writes refused because their claim was lost."),
    ContractMetric(
        metrics.ANSWERS,
        "Doorbells that workers answered, rounds that rang, nudges heard, looks of rescues, beats.",
        ("process",),
    ),
    ContractMetric(
        invalid_messages.GARBAGE, "What arrived from the broker and could not be read.", ("source",)
    ),
    ContractMetric(metrics.RESCUED, "Jobs taken back from runs that ended with their process."),
    ContractMetric(
        metrics.HOOKS_FAILED, "on_commit hooks that raised after a job's commit.", ("kind",)
    ),
)

_LAG = f"""
SELECT max(CASE WHEN lease_until IS NULL THEN 'infinity'::float8
                ELSE extract(epoch FROM {NOW} - lease_until)::float8 + %s END)
FROM {tables.QUEUE} WHERE name = ANY(%s)
"""


def metrics_text() -> bytes:
    """Return the page; raises database errors."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    return generate_latest(registry)


#: The page, from a thread that a frozen database may keep, so that it keeps none of the web's.
page = BoundedCall(metrics_text, seconds=conf.METRICS_TIMEOUT_SECONDS, name="celeriac-metrics")


class _Collector(Collector):
    """Asks for everything anew at each scrape."""

    def collect(self) -> Iterator[Metric]:
        with transaction.atomic():
            milliseconds = int(conf.METRICS_TIMEOUT_SECONDS * 600)  # of one question
            execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield from _contract_metrics()
            yield from _queues(_depths())
            yield _dispatcher_lag()
            yield _heartbeats()
        yield _circuits()
        for plugin in plugins():
            for collect in plugin.metrics:
                yield from collect()


def _contract_metrics() -> Iterator[Metric]:
    totals = {tuple(json.loads(row.series)): row.cells for row in Counter.objects.all()}
    for each in COUNTED:
        mine = {
            series[1:]: cells
            for series, cells in totals.items()
            if series[0] == each.name and len(series) == len(each.labels) + 1
        }
        yield _histogram(each, mine) if each.is_histogram else _counter(each, mine)


def _counter(each: ContractMetric, totals: dict[tuple[str, ...], list[int]]) -> Metric:
    family = CounterMetricFamily(each.name, each.help, labels=each.labels)
    for labels, cells in totals.items() if each.labels else [((), totals.get((), [0]))]:
        family.add_metric(labels, cells[0])
    return family


def _histogram(each: ContractMetric, totals: dict[tuple[str, ...], list[int]]) -> Metric:
    family = HistogramMetricFamily(each.name, each.help, labels=each.labels)
    for labels, cells in totals.items():
        if len(cells) != SPAN:
            continue  # of a release with other buckets
        count, buckets = 0, []
        ends = [*map(str, BOUNDS), "+Inf"]
        for end, number in zip(ends, cells[:-1], strict=True):
            count += number
            buckets.append((end, float(count)))
        family.add_metric(labels, buckets, cells[-1] / 1_000_000)
    return family


#: Depths cost a pass over the queued rows, so scrapers share one.
_depths: SharedAnswer[list[Depth]] = SharedAnswer(queue_depths, lives=conf.METRICS_DEPTHS_SECONDS)


def _queues(depths: list[Depth]) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "celeriac_queue_depth", "Jobs that wait or run now.", labels=("queue", "view")
    )
    oldest = GaugeMetricFamily(
        "celeriac_queue_oldest_seconds",
        "For how long the oldest due job has waited; 0 where none is due.",
        labels=("queue",),
    )
    for each in depths:
        for view in VIEWS:
            depth.add_metric((each.queue, view), getattr(each, view))
        oldest.add_metric((each.queue,), each.oldest_seconds or 0.0)
    yield depth
    yield oldest


def _dispatcher_lag() -> Metric:
    names = queue_names()
    (lag,) = fetch_row(_LAG, [conf.QUEUE_LEASE_SECONDS, names])
    return GaugeMetricFamily(
        "celeriac_dispatcher_lag_seconds",
        "Since a dispatcher was last at the queue it neglects most; +Inf where none serves it.",
        value=float("inf") if lag is None else max(0.0, lag),
    )


def _heartbeats() -> Metric:
    family = GaugeMetricFamily(
        "celeriac_worker_heartbeat_age_seconds",
        "Since the worker last beat; those that stopped in good order are not shown.",
        labels=("worker",),
    )
    rows = Worker.objects.living(SHOWN_FOR)
    ages: dict[str, float] = {}
    for name, beat_at, now in rows.annotate(now=Now()).values_list("name", "beat_at", "now"):
        age = max(0.0, (now - beat_at).total_seconds())
        ages[name] = min(age, ages.get(name, age))  # a restarted namesake is another row
    for name, age in sorted(ages.items()):
        family.add_metric((name,), age)
    return family


def _circuits() -> Metric:
    family = GaugeMetricFamily(
        "celeriac_breaker_state", "0 closed, 1 half-open, 2 open; forced or not.", labels=("name",)
    )
    for each in breakers.breaker_statuses():
        state = each.state.removeprefix("forced ")
        family.add_metric((each.name,), CIRCUITS.get(state, 2))
    return family
