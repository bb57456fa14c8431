"""Handing queued jobs back to plain Celery: the route first, then batch after batch.

1. The pattern is routed to plain, and a moment later no process writes rows for it.
2. Messages of an earlier handback that may not have been sent are sent, and listed.
3. A batch of queued jobs leaves the ledger in one transaction, is sent, and noted as sent.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from celeriac.celery.leaving.plain_calls import encoder, send_plain
from celeriac.core import audit, clock
from celeriac.core.effects import require_no_transaction
from celeriac.jobs.errors import HandbackStopped
from celeriac.jobs.models import HandedBack, Job
from celeriac.jobs.operating import hand_back
from celeriac.jobs.operating.operate import Actor
from celeriac.jobs.routing.current_orders import EFFECT_SECONDS
from celeriac.jobs.routing.order_route import order_route

BATCH = 50
_PATIENT = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5}


@dataclass(slots=True)
class Handback:
    """What became of the jobs of some tasks."""

    sent: int = 0
    #: Messages that may have gone twice: an earlier try may have arrived.
    twice: list[HandedBack] = field(default_factory=list)
    #: Messages that the broker refused, and why. The next handback tries them again.
    refused: list[tuple[HandedBack, str]] = field(default_factory=list)
    #: Jobs that run, and those that somebody is to be called back for: they stay in the ledger.
    running: int = 0
    kept: int = 0


def hand_back_tasks(
    pattern: str,
    tasks: dict[str, Any],
    *,
    reason: str,
    actor: Actor,
    wait: Callable[[float], object] = time.sleep,
) -> Handback:
    """Route a pattern to plain Celery and send what is queued of its tasks as plain messages.

    Raises:
        InvalidOption: there is no reason.
        HandbackStopped: another handback runs, the broker is away, or the route could not be
            written; what was sent is sent, and calling again goes on.
    """
    require_no_transaction("A handback")
    with hand_back.only_handback() as is_ours:
        if not is_ours:
            raise HandbackStopped("Another handback is at work: let it end, and start again.")
        order = order_route(pattern, share=0.0, reason=reason, actor=actor)
        if not order.recorded:
            raise HandbackStopped("The ledger's tables can't be written now: start again later.")
        wait(EFFECT_SECONDS)
        return _hand_back(pattern, tasks, reason=reason, actor=actor)


def _hand_back(pattern: str, tasks: dict[str, Any], *, reason: str, actor: Actor) -> Handback:
    kinds, found = list(tasks), Handback()
    entry = audit.record(
        "job.handback",
        "route",
        pattern,
        actor=actor,
        count=0,
        reason=reason,
        filter={"kinds": kinds},
    )
    began = clock.db_now()
    for app, own in _by_app(tasks):
        with _producer(app) as producer:
            while rows := hand_back.try_again(list(own), most=BATCH, before=began):
                found.twice += rows
                _send(own, rows, producer, found)
            encode = encoder(own, clock.db_now())
            while rows := hand_back.take_jobs(
                list(own), most=BATCH, message=encode, audit_id=entry.pk
            ):
                _send(own, rows, producer, found)
    left = Job.objects.filter(kind__in=kinds)
    found.running = left.running().count()
    found.kept = left.queued().count()
    return found


def _by_app(tasks: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Return the tasks of each app."""
    apps: dict[int, tuple[Any, dict[str, Any]]] = {}
    for name, task in tasks.items():
        app = task._get_app()
        apps.setdefault(id(app), (app, {}))[1][name] = task
    yield from apps.values()


@contextmanager
def _producer(app: Any) -> Iterator[Any]:
    """Yield a producer on a connection of its own, whose broker confirms where it can."""
    options = {**app.conf.broker_transport_options, "confirm_publish": True}
    with closing(app.connection_for_write(transport_options=options)) as connection:
        try:
            connection.ensure_connection(**_PATIENT)
        except Exception as error:
            raise HandbackStopped(f"The broker is away ({error}): nothing was taken.") from error
        yield app.amqp.Producer(connection, auto_declare=False)


def _send(tasks: dict[str, Any], rows: list[HandedBack], producer: Any, found: Handback) -> None:
    """Send messages and note what was sent; HandbackStopped where the broker went away."""
    sent: list[HandedBack] = []
    away: Exception | None = None
    connection = producer.connection
    for row in rows:
        try:
            send_plain(tasks[row.task], row, producer)
        except (*connection.connection_errors, *connection.channel_errors, OSError) as error:
            away = error
            break
        except Exception as error:  # of this message alone: it can't be encoded, or has no queue
            found.refused.append((row, str(error)))
        else:
            sent.append(row)
    hand_back.note_sent(sent)
    found.sent += len(sent)
    if away is not None:
        raise HandbackStopped(
            f"The broker went away ({away}) after {found.sent} messages. Up to {BATCH} more are "
            "kept and may have arrived: start again, and they are sent and listed."
        ) from away
