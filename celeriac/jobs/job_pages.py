"""What other apps know of a job: they register here, in their AppConfig's ready().

The ledger may not import payments, mail or schedules; they tell it about themselves::

    job_pages.register_section("payments", applies, tell, permission="payments.view_operation")

A person without that permission is told nothing of it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from celeriac.jobs.models import Job
from celeriac.jobs.phrases import Event, Link, Wait

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobPageSection:
    """What an app adds to a job's page.

    `wait` is for what the job's row can't know: that its work waits for somebody though
    the job has ended.
    """

    links: tuple[Link, ...] = ()
    wait: Wait | None = None
    events: tuple[Event, ...] = ()


Applies = Callable[[Job], bool]
Tell = Callable[[Job], JobPageSection | None]

_registered: dict[str, tuple[Applies, Tell, str]] = {}


def register_section(name: str, applies: Applies, tell: Tell, *, permission: str = "") -> None:
    """Ask `tell` about every job to which `applies` says yes; the name registers once.

    What is told is for those who have the `permission` (`app.codename`), or for all.
    """
    _registered[name] = (applies, tell, permission)


#: By app: what jobs' arguments call a thing that they do not name themselves.
Names = Callable[[UUID], Iterable[object]]
_names: dict[str, Names] = {}


def register_search_names(name: str, names: Names) -> None:
    """Let jobs be found by an id of the app's: `names` returns what their arguments hold for it."""
    _names[name] = names


def search_names(key: UUID) -> list[str]:
    """Return what jobs' arguments call the thing of that id, by every app's account."""
    return [str(value) for names in _names.values() for value in names(key)]


def forget_section(name: str) -> None:
    """Take a registration back: for tests."""
    _registered.pop(name, None)


def sections_of(job: Job, *, may: Callable[[str], bool] = bool) -> list[JobPageSection]:
    """Return what the apps tell of a job to somebody; `may` says which permissions they have.

    An app that fails is logged: the page must come up.
    """
    found = []
    for name, (applies, tell, permission) in sorted(_registered.items()):
        if permission and not may(permission):
            continue
        try:
            companion = tell(job) if applies(job) else None
        except Exception:
            logger.exception("%s can't tell of job %s", name, job.id)
            continue
        if companion is not None:
            found.append(companion)
    return found
