"""Pausing queues."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from celeriac.core import audit, clock
from celeriac.core.clock import Now
from celeriac.jobs import nudge
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.enqueueing.locks import bounded_wait
from celeriac.jobs.enqueueing.option_checks import checked_moment
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.models import Queue
from celeriac.jobs.operating.operate import Actor


def pause_queue(name: str, *, reason: str, actor: Actor, until: datetime | None = None) -> Queue:
    """Let nothing of the queue start until it is resumed, or until `until`; return its row.

    What runs goes on.

    Raises:
        UnknownQueue: no queue of that name is declared.
        InvalidOption: `until` is past or bears no zone, or there is no reason.
        EnqueueBusy: somebody else holds the queue's row.
    """
    queues.check_queue(name)
    if until is not None and checked_moment("until", until) <= clock.db_now():
        raise InvalidOption(f"until {until.isoformat()} has passed already.")
    if not reason.strip():
        raise InvalidOption("Say why: a pause needs a reason.")
    by = {"paused_by": str(actor or "")[:254], "pause_reason": reason[:1000]}
    with _changed(name, paused_at=Now(), paused_until=until, **by):
        details = {"until": until.isoformat()} if until else {}
        audit.record("queue.pause", "queue", name, actor=actor, reason=reason, details=details)
    return Queue.objects.get(name=name)


def resume_queue(name: str, *, actor: Actor, reason: str = "") -> Queue:
    """Let the queue's jobs start again; return its row.

    Raises:
        UnknownQueue: no queue of that name is declared.
        EnqueueBusy: somebody else holds the queue's row.
    """
    queues.check_queue(name)
    with _changed(name, paused_at=None, paused_until=None, paused_by="", pause_reason=""):
        audit.record("queue.resume", "queue", name, actor=actor, reason=reason)
    return Queue.objects.get(name=name)


@contextmanager
def _changed(name: str, **values: object) -> Iterator[None]:
    with bounded_wait(f"queue {name}"):
        Queue.objects.get_or_create(name=name)
        Queue.objects.filter(name=name).update(updated_at=Now(), **values)
        yield
        nudge.nudge_queues(queues=[name])
