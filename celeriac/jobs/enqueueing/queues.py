"""The declared queues, and their rows."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from celeriac.core.hints import did_you_mean
from celeriac.jobs.errors import UnknownQueue
from celeriac.jobs.models import Queue
from celeriac.settings import conf


def check_queue(name: str) -> str:
    """Return `name` if it is declared; UnknownQueue says what was probably meant."""
    if name in conf.QUEUES:
        return name
    declared = sorted(conf.QUEUES)
    hint = did_you_mean(name, declared, f" CELERIAC['QUEUES'] has {', '.join(declared)}.")
    raise UnknownQueue(f"No queue {name!r} is declared.{hint}")


def make_queue_rows(*, using: str = DEFAULT_DB_ALIAS) -> None:
    """Make the row of every declared queue that has none; rows that exist stay as they are."""
    Queue.objects.using(using).bulk_create(
        [Queue(name=name, **_fields(options)) for name, options in conf.QUEUES.items()],
        ignore_conflicts=True,
    )


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that stand in the row; how its workers run jobs is the settings' alone."""
    return {name: value for name, value in options.items() if name != "slots"}


def after_migrate(*, using: str, **_: Any) -> None:
    """Make the rows as soon as their table stands (post_migrate)."""
    with connections[using].cursor() as cursor:
        tables = connections[using].introspection.table_names(cursor)
    if Queue._meta.db_table in tables:
        make_queue_rows(using=using)
