"""The Celery worker as a worker of the ledger: its boot, its children, its watch."""

import logging
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery, signals
from django.core.exceptions import ImproperlyConfigured

from celeriac.celery import revoking
from celeriac.celery.boot import Boot
from celeriac.celery.watching import Watch
from celeriac.core import tracing
from celeriac.core.counting import counts, publish
from celeriac.core.counting.shared import SharedCells
from celeriac.jobs import registry
from celeriac.jobs.running import awake, liveness
from celeriac.jobs.running.execute import Desk, knowledge
from celeriac.jobs.running.liveness import Card
from celeriac.jobs.running.slots import FileSlot
from celeriac.jobs.running.surroundings import Surroundings
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: A pool whose tasks run in a process of their own, or in the worker itself.
_POOLS = ("prefork", "solo")
#: Seconds that a new child waits for its parent to make the slots' folder anew, and to see it.
_PATIENCE = 3.0

_boot: Boot | None = None
_desk: Desk | None = None
_slot: FileSlot | None = None
_watch: Watch | None = None
#: Whether this child ignores SIGTERM, and with it whatever it would start.
_is_deaf = False


def install(app: Celery) -> None:
    """Make workers of `app` workers of the ledger."""

    def ours(sender: Any) -> bool:
        return getattr(sender, "app", None) is app

    # Celery tells of a worker's life in no other way than by these signals.
    @signals.worker_init.connect(weak=False, dispatch_uid=f"celeriac.boot.{id(app)}")
    def start_boot(sender: Any, **_: object) -> None:
        global _boot
        if ours(sender):
            _boot = _begin(sender)

    # A child is born: it must settle in before its first job.
    @signals.worker_process_init.connect(weak=False, dispatch_uid="celeriac.child")
    def start_child(**_: object) -> None:
        if _boot is not None:
            _outlive_sigterm()
            _settle_in()

    # The consumer stands, so that its children can be watched.
    @signals.worker_ready.connect(weak=False, dispatch_uid=f"celeriac.watch.{id(app)}")
    def start_watch(sender: Any, **_: object) -> None:
        global _watch
        if ours(sender) and _watch is None and _boot is not None:
            _watch = Watch(_boot, partial(_card, sender, _boot))
            _watch.start()

    # The last word of a worker: its row says that it left.
    @signals.worker_shutdown.connect(weak=False, dispatch_uid=f"celeriac.leave.{id(app)}")
    def end_boot(sender: Any, **_: object) -> None:
        if ours(sender) and _boot is not None:
            if _watch is not None:
                _watch.stop()
            _boot.leave()


def canary_queue() -> str | None:
    """Return the queue that this boot alone takes from; None where no worker boots."""
    return _boot.canary if _boot is not None else None


# Celery tells of a stop, and of a child's end, in no other way.
@signals.worker_shutting_down.connect(weak=False, dispatch_uid="celeriac.stop")
def announce_stop(**_: object) -> None:
    """Start no other job from now on."""
    if _boot is not None:
        _boot.stop()


# See above.
@signals.worker_process_shutdown.connect(weak=False, dispatch_uid="celeriac.spans")
def end_child(**_: object) -> None:
    """Send the spans of a child that ends."""
    tracing.flush()


def _outlive_sigterm() -> None:
    """A signal to the whole group must not kill a child in the middle of a job, but may a fork's.

    At first it must be ignored, not handled: billiard puts its own handler over any other.
    """
    global _is_deaf
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _is_deaf = True
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def _hear_sigterm() -> None:
    """Handle it by doing nothing: a program that a job starts would inherit that it is ignored."""
    global _is_deaf
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
    signal.siginterrupt(signal.SIGTERM, False)
    _is_deaf = False


def _settle_in() -> None:
    """Take this child's place at its start; end it where there is none."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            desk()
        except Exception as error:
            # Celery only logs what a receiver raises, and the child would take doorbells.
            if time.monotonic() > deadline:
                logger.error("a child without a slot ends: %s", error)
                os._exit(1)
            time.sleep(0.05)
        else:
            return


def doorbell_desk() -> Desk:
    """Return the desk at which a doorbell may be answered; OSError where nobody sees its slot."""
    here = desk()
    if _slot is not None and _slot.is_gone:
        _move_to(_new_slot())
    _wait_until_seen()
    return here


def desk() -> Desk:
    """Return this process's desk: a child's, a solo worker's, or one without a watch."""
    global _desk
    if _desk is not None and _is_deaf:  # not before the first doorbell
        _hear_sigterm()
        _desk.surroundings = Surroundings()  # as its first handler finds them
    if _desk is None and _boot is None:
        _desk = Desk(worker=uuid4(), known=knowledge())
    elif _desk is None and _boot is not None:
        slot = _new_slot()
        _desk = Desk(
            worker=_boot.id,
            known=knowledge(),
            slot=slot,
            stopping=_boot.is_stopping,
            vouch=_vouch,
        )
        _move_to(slot)
    assert _desk is not None  # noqa: S101 one of the branches above has set it
    return _desk


def _new_slot() -> FileSlot:
    if _boot is None:
        raise RuntimeError("A process without a boot has no slot.")
    return FileSlot(_boot.folder.path)


def _move_to(slot: FileSlot) -> None:
    """Work with this slot from now on, and count beside it."""
    global _slot
    before, _slot = _slot, slot
    if _desk is not None:
        _desk.slot = slot
    awake.follow(slot.frozen, slot.looked)
    counts.process.move_to(SharedCells(slot.path.parent))  # after the slot, which says it lives
    if before is not None:
        before.abandon()


def _wait_until_seen() -> None:
    """Wait until the parent has found the slot: at its first doorbell a child may be too new."""
    deadline = time.monotonic() + _PATIENCE
    while _slot is not None and not _slot.looked():
        if time.monotonic() > deadline:
            raise FileNotFoundError(f"Nobody looks at the slot {_slot.path}.")
        time.sleep(0.005)


def _vouch() -> None:
    """Say that the worker lives, where its parent could not for half a lease."""
    boot = _boot
    if boot is None or boot.unheard_for < conf.WORKER_LEASE_SECONDS / 2:
        return
    try:
        liveness.sign(boot.id)
        boot.heard()
    except Exception as error:  # it must not keep a claim from being worked on
        logger.warning("a sign of life could not be given: %s", error)


def _begin(worker: Any) -> Boot:
    """Return a new boot; SystemExit where this worker can't be one of the ledger's."""
    try:
        _check_pool(worker)
        publish.by_hand()
        revoking.install()
        return Boot(_slot_directory())
    except Exception as error:
        # Celery only logs what a receiver raises, and the worker would run jobs that nobody
        # watches: after a lease they would be rescued, and run twice.
        raise SystemExit(f"This worker can't work for the ledger: {error}") from error


def _slot_directory() -> Path:
    directory = Path(conf.SLOT_DIRECTORY)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The slots' directory {directory} can't be made ({error.strerror}): set"
            " CELERIAC_SLOT_DIRECTORY to one that this user may write and that no cleaner empties."
        ) from error
    return directory


def _check_pool(worker: Any) -> None:
    pool = worker.pool_cls
    name = pool if isinstance(pool, str) else pool.__module__
    if not any(each in name for each in _POOLS):
        raise ImproperlyConfigured(
            f"The pool {name!r} can't hold a job to its limits: use --pool=prefork (or solo)."
        )


def _card(consumer: Any, boot: Boot) -> Card:
    """Say who the worker is, and what it consumes at this moment."""
    return Card(
        id=boot.id,
        name=consumer.hostname,
        host=socket.gethostname(),
        pid=os.getpid(),
        queues=tuple(sorted(consumer.app.amqp.queues.consume_from.copy())),
        kinds=tuple(registry.names()),
        slots=_slots(consumer.controller),
        canary=boot.canary,
    )


def _slots(controller: Any) -> int:
    """Return how many jobs may run at a time now: an autoscaler grows once there is work."""
    if controller.autoscaler is not None:
        return int(controller.autoscaler.max_concurrency)
    if getattr(controller.pool, "_pool", None) is None:  # not yet, or no longer
        return int(controller.concurrency or 1)
    return int(controller.pool.num_processes or 1)
