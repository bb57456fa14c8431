"""Whether the platform can work, part by part, each look bounded in time.

The database and the broker are asked by a thread each, which closes what it opened. One that
hangs is left behind and reported; no second one is sent after it. What comes out names parts
and never addresses, versions or errors' texts, for anybody may ask.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from celeriac.breakers import selectors as breakers
from celeriac.breakers.models import Breaker
from celeriac.breakers.options import declared_breakers
from celeriac.breakers.replies import BreakerState
from celeriac.celery.wires import ping_broker
from celeriac.core.queries import execute
from celeriac.core.setting_defaults import broker_url, is_amqp
from celeriac.jobs import nudge
from celeriac.jobs.enqueueing.queues import queue_names
from celeriac.jobs.models import Queue, Worker
from celeriac.jobs.operating.unresponsive import Unresponsive, unresponsive_processes
from celeriac.monitoring.shared_answers import SharedAnswer
from celeriac.settings import conf

#: Seconds that a report is shared.
LIVES = 1.0
LEDGER = ("database", "migrations", "dispatcher", "workers", "beat", "circuits")
PARTS = (*LEDGER[:2], "broker", *LEDGER[2:])


@dataclass(frozen=True, slots=True)
class Part:
    """One part: whether it is well, and a sentence."""

    ok: bool
    says: str


@dataclass(slots=True)
class _HealthCheck:
    """One look at several parts, by a thread of its own."""

    name: str
    run: Callable[[], Iterator[tuple[str, Part]]]
    found: dict[str, Part] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Look, unless the last look still hangs."""
        if self._thread is not None and self._thread.is_alive():
            return
        self.found = {}
        self._thread = threading.Thread(
            target=self._look, args=[self.found], name=f"celeriac-{self.name}", daemon=True
        )
        self._thread.start()

    def end(self, timeout: float) -> dict[str, Part]:
        """Return what was found within `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
        return dict(self.found)

    def _look(self, found: dict[str, Part]) -> None:
        try:
            for name, part in self.run():
                found[name] = part
        except Exception as error:  # whatever it is, it must not leave the thread
            found.setdefault("error", Part(False, type(error).__name__))
        finally:
            connection.close()


def health_report() -> dict[str, Part]:
    """Return every part, in order; at most HEALTH_TIMEOUT_SECONDS later."""
    for look in _looks:
        look.begin()
    found: dict[str, Part] = {}
    for look in _looks:  # they run side by side
        found |= look.end(conf.HEALTH_TIMEOUT_SECONDS)
    return {name: found.get(name) or _missing(name, found) for name in PARTS}


def _missing(name: str, found: dict[str, Part]) -> Part:
    if name in ("database", "broker"):
        return Part(False, f"no answer within {conf.HEALTH_TIMEOUT_SECONDS:g} s")
    if name in LEDGER and not found.get("database", Part(False, "")).ok:
        return Part(False, "not known without the database")
    return Part(False, f"not known: {found['error'].says if 'error' in found else 'no answer'}")


def ledger_parts() -> Iterator[tuple[str, Part]]:
    """Yield the parts that the database knows of."""
    try:
        connection.ensure_connection()
        milliseconds = int(conf.HEALTH_TIMEOUT_SECONDS * 750)  # of one question
        execute("SELECT set_config('statement_timeout', %s, false)", [str(milliseconds)])
    except Exception as error:
        yield "database", Part(False, f"can't be reached ({type(error).__name__})")
        return
    yield "database", Part(True, "answers")
    missing = unapplied_migrations()
    if missing:
        yield "migrations", Part(False, f"{len(missing)} to apply: run manage.py migrate")
        return
    yield "migrations", Part(True, "all applied")
    silent = unresponsive_processes()
    yield "dispatcher", dispatcher_part(silent)
    yield "workers", workers_part(silent)
    yield "beat", beat_part()
    yield "circuits", circuit_parts()


def broker_part() -> Iterator[tuple[str, Part]]:
    """Yield whether the broker answers."""
    try:
        if is_amqp(broker_url()):
            ping_broker()
        else:
            _ping_redis()
    except Exception as error:  # the client's own, or a URL that is none
        yield "broker", Part(False, f"can't be reached ({type(error).__name__})")
    else:
        yield "broker", Part(True, "answers")


def _ping_redis() -> None:
    with nudge.nudge_client(conf.NUDGE_URL, timeout=conf.HEALTH_TIMEOUT_SECONDS / 2) as client:
        client.ping()


def dispatcher_part(silent: Sequence[Unresponsive] = ()) -> Part:
    """Return whether dispatchers serve the queues, and ring, hear and rescue."""
    declared = set(queue_names())
    rows = Queue.objects.served().filter(name__in=declared)
    missing = declared - set(rows.values_list("name", flat=True))
    if missing == declared:
        return Part(False, "no dispatcher holds a queue")
    if missing:
        return Part(False, f"no dispatcher serves {', '.join(sorted(missing))}")
    if found := sorted({each.says for each in silent if each.process == "dispatcher"}):
        return Part(False, f"one lives and {'; '.join(found)}")
    return Part(True, f"serves {len(declared)} queues")


def workers_part(silent: Sequence[Unresponsive] = ()) -> Part:
    """Return whether any worker lives, and whether all that do answer."""
    count = Worker.objects.living().count()
    if not count:
        return Part(False, f"none has beaten within {conf.WORKER_LEASE_SECONDS:g} s")
    if found := sum(each.process == "worker" for each in silent):
        return Part(False, f"{count} living, of which {found} answer nothing")
    return Part(True, f"{count} living")


def circuit_parts() -> Part:
    """Return each circuit's state and the failures in its window; none of them fails the whole."""
    found = [
        f"{each.name} {each.state} ({each.failures} failures)"
        for each in breakers.breaker_statuses(sorted(declared_breakers()))
    ]
    # Members of a family are named after other people's hosts, which are nobody's business.
    members = Breaker.objects.filter(name__contains=":").exclude(state=BreakerState.CLOSED)
    names = members.values_list("name", flat=True)
    families = Counter(each.partition(":")[0] for each in names)
    found += [f"{count} of {family}: not closed" for family, count in sorted(families.items())]
    return Part(True, ", ".join(found) or "none declared")


def beat_part() -> Part:
    """Return whether a beat lives and fires, where there is anything to fire."""
    if not apps.is_installed("celeriac.schedules"):
        return Part(True, "there are no schedules")
    from celeriac.monitoring import beats  # models of an app that may be left out

    return Part(*beats.beats_in_words())


def unapplied_migrations() -> list[str]:
    """Return the migrations on disk that the database does not have."""
    applied = set(MigrationRecorder(connection).applied_migrations())
    return sorted(".".join(name) for name, old in _on_disk().items() if not applied & {name, *old})


@cache
def _on_disk() -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """Return every migration with those that it replaces."""
    loader = MigrationLoader(None)
    return {
        name: frozenset(map(tuple, migration.replaces))  # type: ignore[arg-type] # pairs, all of them
        for name, migration in loader.disk_migrations.items()
    }


_looks = (_HealthCheck("ledger", ledger_parts), _HealthCheck("broker", broker_part))
#: The report, shared for a moment: a flood of probes costs one look a second.
readiness = SharedAnswer(health_report, lives=LIVES)
