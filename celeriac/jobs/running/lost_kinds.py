"""The kinds of runs that somebody else settles, who may not know them."""

from dataclasses import replace
from fnmatch import fnmatchcase

from celeriac.jobs import registry
from celeriac.jobs.registry import Kind
from celeriac.settings import conf

#: The kind that tells a project of a loss that ended a job of one of its own tasks.
TELL_LOST = "maintenance.tell_lost"


def kind_of_lost(name: str) -> Kind:
    """Return the kind of a lost run; one with a kind's defaults where this process knows none.

    Where it is a Celery task of the project nobody here knows whether Celery would start it
    again: it is not, unasked.
    """
    known = registry.get_kind(name)
    if known is not None:
        return known
    kind = registry.get_or_default(name)
    if any(fnmatchcase(name, pattern) for pattern in conf.TASKS):
        return replace(kind, runs_again=frozenset(), on_lost=TELL_LOST)
    return kind
