"""What other apps know of a job: they register here, in their AppConfig's ready().

The ledger may not import payments, mail or schedules; they tell it about themselves::

    companions.register("payments", lambda job: job.kind.startswith("payments."), tell)
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from apps.jobs.explaining.words import Event, Link, Wait
from apps.jobs.models import Job

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Companion:
    """What an app adds to a job's page.

    `wait` is for what the job's row can't know: that its work waits for somebody though
    the job has ended.
    """

    links: tuple[Link, ...] = ()
    wait: Wait | None = None
    events: tuple[Event, ...] = ()


Applies = Callable[[Job], bool]
Tell = Callable[[Job], Companion | None]

_registered: dict[str, tuple[Applies, Tell]] = {}


def register(name: str, applies: Applies, tell: Tell) -> None:
    """Ask `tell` about every job to which `applies` says yes; the name registers once."""
    _registered[name] = (applies, tell)


def forget(name: str) -> None:
    """Take a registration back: for tests."""
    _registered.pop(name, None)


def told(job: Job) -> list[Companion]:
    """Return what the apps tell of a job. One that fails is logged: the page must come up."""
    found = []
    for name, (applies, tell) in sorted(_registered.items()):
        try:
            companion = tell(job) if applies(job) else None
        except Exception:
            logger.exception("%s can't tell of job %s", name, job.id)
            continue
        if companion is not None:
            found.append(companion)
    return found
