"""Whether a worker can serve jobs, and which queues it must serve."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from celeriac.celery import many
from celeriac.jobs import registry
from celeriac.jobs.enqueueing import queues
from celeriac.settings import conf

#: A pool whose tasks run in a process of their own, or in the worker itself.
_POOLS = ("prefork", "solo")


def can_hold_jobs(worker: Any) -> bool:
    """Return whether the worker is one of the ledger's; one of plain tasks alone may be anything.

    ImproperlyConfigured where its queues may get jobs, and its pool can't hold them.
    """
    name = many.pool_name(worker)
    if any(each in name for each in _POOLS):
        return True
    app = worker.app
    shared = sorted(set(app.amqp.queues.consume_from) & job_queues())
    if not shared:
        return False
    plain = f"celery worker --pool={name.rpartition('.')[2]} --queues=…"
    raise ImproperlyConfigured(
        f"The pool {name!r} can't hold a job to its limits, and jobs may wait in "
        f"{', '.join(shared)}: use --pool=prefork (or solo), or give this worker other queues "
        f"({plain}) and let one of another pool serve these."
    )


def job_queues() -> set[str]:
    """Return the queues that jobs may wait in, as far as settings and declarations say."""
    if not queues.are_open():
        return set(conf.QUEUES)
    return {kind.queue for kind in registry.declared_kinds()}


def take_own_queues(app: Any) -> None:
    """Take from the queues of the engine's own jobs, too, where nobody said which to take from."""
    known = app.amqp.queues
    if queues.are_open() and known._consume_from is None:
        for name in sorted(job_queues()):
            known.select_add(name)
