"""The declared queues, and their rows.

Where CELERIAC names none they are open: a queue is declared by the first job that names it.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from celeriac.core.hints import did_you_mean
from celeriac.jobs.enqueueing.own_connection import is_within_test, own_connection
from celeriac.jobs.errors import UnknownQueue
from celeriac.jobs.models import Queue
from celeriac.settings import OpenQueues, conf

#: Queues whose rows this process has seen or made.
_made: set[str] = set()


def are_open() -> bool:
    """Whether any queue may be named."""
    return isinstance(conf.QUEUES, OpenQueues)


def queue_names() -> list[str]:
    """Return the queues that are declared, by name; open ones are asked for in the database."""
    if not are_open():
        return sorted(conf.QUEUES)
    return sorted({*conf.QUEUES, *Queue.objects.values_list("name", flat=True)})


def is_declared(name: str) -> bool:
    """Whether a job may name the queue."""
    return name in conf.QUEUES or are_open()


def check_queue(name: str) -> str:
    """Return `name` if it is declared; UnknownQueue says what was probably meant."""
    if name in conf.QUEUES:
        return name
    if are_open():
        return _declared(name)
    declared = sorted(conf.QUEUES)
    hint = did_you_mean(name, declared, f" CELERIAC['QUEUES'] has {', '.join(declared)}.")
    raise UnknownQueue(f"No queue {name!r} is declared.{hint}")


def _declared(name: str) -> str:
    """Make the row of a queue before its first job's: no transaction waits for another's row."""
    if name not in _made:
        with own_connection():
            Queue.objects.bulk_create([Queue(name=name)], ignore_conflicts=True)
        if not is_within_test():
            _made.add(name)
    return name


def make_queue_rows(*, using: str = DEFAULT_DB_ALIAS) -> None:
    """Make the row of every declared queue that has none; rows that exist stay as they are."""
    Queue.objects.using(using).bulk_create(
        [Queue(name=name, **_fields(options)) for name, options in conf.QUEUES.items()],
        ignore_conflicts=True,
    )


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that stand in the row; how its workers run jobs is the settings' alone."""
    return {name: value for name, value in options.items() if name != "slots"}


def forget_rows() -> None:
    """Take no queue's row for made any more: the table was emptied."""
    _made.clear()


def after_migrate(*, using: str, **_: Any) -> None:
    """Make the rows as soon as their table stands (post_migrate)."""
    forget_rows()  # a flush has emptied it
    with connections[using].cursor() as cursor:
        tables = connections[using].introspection.table_names(cursor)
    if Queue._meta.db_table in tables:
        make_queue_rows(using=using)
