"""The platform's own parts: dispatchers, workers, kinds, queues, circuits."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Exists, OuterRef

from celeriac.breakers import selectors as breakers
from celeriac.console.dashboard import dead_letters
from celeriac.console.dashboard.attention import (
    STOPPED_REMEDY,
    dead_in_words,
    stopped_in_words,
    unseen_in_words,
)
from celeriac.core import tables
from celeriac.core.check_results import CheckResult, error, ok, warning
from celeriac.core.queries import fetch_rows
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.models import Job, Queue, Worker
from celeriac.jobs.operating.stopped import stopped_in_a_row
from celeriac.jobs.operating.unresponsive import unresponsive_processes
from celeriac.jobs.phrases import clock_time, count
from celeriac.jobs.slots import queues_by_slots
from celeriac.settings import celery_app

_QUEUED_KINDS = (
    f"SELECT DISTINCT queue, kind FROM {tables.JOB} WHERE state = 'queued' ORDER BY 1, 2"
)


def check_dispatchers() -> Iterator[CheckResult]:
    """Look at the queues' leases."""
    rows = Queue.objects.served()
    served = dict(rows.values_list("name", "holder_name"))
    missing = sorted(set(queue_names()) - set(served))
    if missing:
        says = f"none serves {', '.join(missing)}"
        yield error("dispatcher", says, "Start one: manage.py dispatcher.")
    else:
        names = sorted(set(served.values()))
        yield ok("dispatcher", f"{len(names)} serve all queues: {', '.join(names)}")


def check_workers() -> Iterator[CheckResult]:
    """Look at the workers' heartbeats, and for queues and kinds that nobody serves."""
    living = Worker.objects.living()
    for worker in _silent():
        says = f"{worker.name} on {worker.host} has been silent since {clock_time(worker.heard_at)}"
        todo = "A dispatcher takes its jobs back; if it was not replaced, start it again."
        yield warning("workers", says, todo)
    served = {queue for worker in living for queue in worker.queues}
    waiting = {queue for queue, _ in _waiting_kinds()}
    missing = sorted((set(queue_names()) | waiting) - served)
    if missing:
        named = [f"{queue} (where jobs wait)" if queue in waiting else queue for queue in missing]
        says = f"none lives that serves {', '.join(named)}"
        yield error("workers", says, f"Start one: {_worker_commands(missing)}.")
    else:
        slots = sum(worker.slots for worker in living)
        serve = "serves" if len(living) == 1 else "serve"
        yield ok("workers", f"{len(living)} living with {count(slots, 'slot')} {serve} all queues")


def check_answers() -> Iterator[CheckResult]:
    """Name who lives and does nothing, though there was something to do."""
    found = unresponsive_processes()
    for each in found:
        says = f"{each.sentence} since {clock_time(each.since)}"
        yield error("answers", says, each.todo)
    if not found:
        yield ok("answers", "every living process answers")


def check_kinds() -> Iterator[CheckResult]:
    """Look for jobs that wait for a kind that no living worker of their queue knows.

    Where no worker lives there is nothing to be said of kinds: `workers` says that.
    """
    knows: dict[str, set[str]] = {}
    for worker in Worker.objects.living():
        for queue in worker.queues:
            knows.setdefault(queue, set()).update(worker.kinds)
    waiting = [(queue, kind) for queue, kind in _waiting_kinds() if queue in knows]
    lost = [(queue, kind) for queue, kind in waiting if not _is_known(kind, knows[queue])]
    for queue, kind in lost:
        says = f"jobs of kind {kind} wait in {queue}, and no worker there knows it"
        todo = "Deploy the code that declares it, name it in aliases=, or cancel them: manage.py "
        yield warning("kinds", says, f"{todo}jobs cancel --kind {kind} --state queued.")
    if not lost:
        yield ok(
            "kinds",
            f"{sum(1 for _ in registry.declared_kinds())} declared, none unknown to workers",
        )


def check_pauses() -> Iterator[CheckResult]:
    """Name the queues that somebody paused."""
    for row in Queue.objects.paused():
        until = f" until {clock_time(row.paused_until)}" if row.paused_until else ""
        why = f": {row.pause_reason}" if row.pause_reason else ""
        says = f"{row.name} is paused by {row.paused_by or 'somebody'}{until}{why}"
        yield warning("queues", says, f"When that is over: manage.py queues resume {row.name}.")


def check_circuits() -> Iterator[CheckResult]:
    """Name the circuits that do not stand closed, and those that are held."""
    for each in breakers.breaker_statuses():
        until = f" until {clock_time(each.until)}" if each.until else ""
        if each.forced:
            why = f" by {each.forced_by or 'somebody'}: {each.forced_reason}"
            todo = f"When that is over: manage.py breakers clear {each.name}."
            yield warning("circuits", f"{each.name} is {each.state}{until}{why}", todo)
        elif each.state != "closed":
            says = f"{each.name} is {each.state}{until}: {each.last_error or 'no error is kept'}"
            todo = "Its jobs wait and lose nothing; ask the provider's status page."
            yield warning("circuits", says, todo)


def check_stopped() -> Iterator[CheckResult]:
    """Name the jobs that no deploy lets end."""
    for each in stopped_in_a_row():
        yield warning("deploys", f"{stopped_in_words(each)}: {each['id']}", STOPPED_REMEDY)


def check_dead_letters() -> Iterator[CheckResult]:
    """Name the dead letters that nobody has dealt with, up to a thousand."""
    found = dead_letters.read_dead_letters()
    if found["unseen"] and not found["open"]["count"]:
        todo = "Of all: manage.py jobs acknowledge --reason …"
        yield warning("dead letters", unseen_in_words(found), todo)
    if found["open"]["count"]:
        todo = "Read why: manage.py jobs list --state dead; then jobs retry, or fix and deploy."
        handled = "What is to stay dead: manage.py jobs acknowledge --reason …"
        yield warning("dead letters", dead_in_words(found), f"{todo} {handled}")


def _worker_commands(queues: list[str]) -> str:
    """Return what starts workers for these queues, with many slots where they have them."""
    return "; ".join(
        f"manage.py celeriac worker {' '.join(names)}"
        if slots.are_many
        else f"celery -A {celery_app()} worker --queues={','.join(names)}"
        for slots, names in queues_by_slots(queues).items()
    )


def _waiting_kinds() -> list[tuple[str, str]]:
    """Return the queues and kinds of which jobs wait."""
    return [(queue, kind) for queue, kind in fetch_rows(_QUEUED_KINDS)]


def _silent() -> list[Worker]:
    """Return the workers that went without a word and still hold jobs; the others are over."""
    held = Job.objects.running().filter(worker=OuterRef("pk"))
    return list(Worker.objects.silent(timedelta(hours=1)).filter(Exists(held)))


def _is_known(kind: str, known: set[str]) -> bool:
    declared = registry.get_kind(kind)
    names = {kind, declared.name if declared else kind}
    return not names.isdisjoint(known)
