"""The broker, the cache and the breakers' store: reached, on time, and not evicting."""

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from celeriac.celery.wires import ping_broker
from celeriac.console.doctor.database import judge_clock
from celeriac.core.check_results import CheckResult, error, ok, warning
from celeriac.core.setting_defaults import broker_url, is_amqp
from celeriac.jobs import nudge
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.phrases import waits
from celeriac.settings import conf

#: Seconds.
PATIENCE = 3.0
#: Doorbells in a queue's list that a window never explains.
MANY = 10_000


def check_stores() -> Iterator[CheckResult]:
    """Look at each server that holds something fleeting."""
    named = {
        "broker": broker_url(),
        "nudges": conf.NUDGE_URL,
        "breakers": conf.BREAKERS_STORE_URL,
        "cache": getattr(settings, "CACHE_URL", ""),
    }
    for part, url in named.items():
        if url and url not in list(named.values())[: list(named).index(part)]:
            yield from _rabbit(part) if part == "broker" and is_amqp(url) else _store(part, url)


def _rabbit(part: str) -> Iterator[CheckResult]:
    """Ask RabbitMQ, which tells neither its clock nor its memory to who only sends."""
    started = time.perf_counter()
    try:
        ping_broker()
    except Exception as problem:  # of the client's many kinds
        yield error(part, f"can't be reached: {type(problem).__name__}", _remedy(part))
        return
    yield ok(part, f"answers in {(time.perf_counter() - started) * 1000:.0f} ms")


def _store(part: str, url: str) -> Iterator[CheckResult]:
    client = nudge.nudge_client(url, timeout=PATIENCE)
    try:
        started = time.perf_counter()
        client.ping()
        took = (time.perf_counter() - started) * 1000
        yield ok(part, f"answers in {took:.0f} ms")
        if part == "broker":
            yield _clock(client)
            yield from _lists(client)
        yield from _memory(part, client)
    except Exception as problem:  # redis' own, or a URL that is none
        yield error(part, f"can't be reached: {type(problem).__name__}", _remedy(part))
    finally:
        client.close()


def _remedy(part: str) -> str:
    if part == "cache":
        return "Start it, or set CACHE_URL right."
    return "Start it, or set BROKER_URL right. No job is lost meanwhile; none starts, either."


def _clock(client: Any) -> CheckResult:
    before = time.time()
    seconds, microseconds = client.time()
    after = time.time()
    theirs = seconds + microseconds / 1e6
    return judge_clock("the broker", theirs - (before + after) / 2, (after - before) / 2)


def _lists(client: Any) -> Iterator[CheckResult]:
    for queue in queue_names():
        waiting = int(client.llen(queue))
        if waiting > MANY:
            says = f"{waits(waiting, 'doorbell')} for {queue}"
            todo = "Workers don't take them: see whether they live, and look at their logs."
            yield warning("broker", says, todo)


def _memory(part: str, client: Any) -> Iterator[CheckResult]:
    facts = client.info("memory")
    policy = facts.get("maxmemory_policy", "noeviction")
    if part != "cache" and policy != "noeviction":
        says = f"it evicts what it likes ({policy})"
        yield warning(part, says, "Set maxmemory-policy noeviction, or doorbells vanish.")
    limit = facts.get("maxmemory", 0)
    if limit and facts.get("used_memory", 0) > 0.9 * limit:
        yield warning(part, "its memory is nearly full", "Raise maxmemory, or find what fills it.")
