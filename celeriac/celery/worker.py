"""The Celery worker as a worker of the ledger: its instance, its children, its monitor."""

import logging
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from celery import Celery, signals
from django.core.exceptions import ImproperlyConfigured

from celeriac.celery import consumed, inspecting, many, pool_size, revoking, serving, sharing
from celeriac.celery.answering import limit_plain_tasks
from celeriac.celery.child_monitor import ChildMonitor
from celeriac.celery.consumer import can_call_off
from celeriac.celery.instance import WorkerInstance
from celeriac.celery.open_line import OpenLine
from celeriac.core import tracing
from celeriac.core.counting import counters, publish
from celeriac.core.counting.shared_memory import SharedStore
from celeriac.jobs.running import awake_time, execute, liveness, wear
from celeriac.jobs.running.execute import WorkerContext, capabilities
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many.slot_pool import SlotPool
from celeriac.jobs.running.process_state import ProcessState
from celeriac.settings import conf

logger = logging.getLogger(__name__)

#: Seconds that a new child waits for its parent to make the journals' folder anew, and to see it.
_PATIENCE = 3.0

_instance: WorkerInstance | None = None
_worker_context: WorkerContext | None = None
_journal: FileJournal | None = None
_slots: many.ChildSlots | None = None
_watch: ChildMonitor | None = None
_line: OpenLine | None = None
#: Whether this worker has plain tasks alone.
_is_plain = False
#: Whether this child ignores SIGTERM, and with it whatever it would start.
_is_deaf = False


def install_worker(app: Celery) -> None:
    """Make workers of `app` workers of the ledger."""
    sharing.install_sharing()

    def ours(sender: Any) -> bool:
        return getattr(sender, "app", None) is app

    # Celery tells of a worker's life in no other way than by these signals.
    @signals.worker_init.connect(weak=False, dispatch_uid=f"celeriac.boot.{id(app)}")
    def start_boot(sender: Any, **_: object) -> None:
        global _instance, _is_plain
        if ours(sender):
            _instance = _begin_instance(sender)
            _is_plain = _instance is None

    # A child is born: it must settle in before its first job.
    @signals.worker_process_init.connect(weak=False, dispatch_uid="celeriac.child")
    def start_child(**_: object) -> None:
        if _instance is not None:
            _settle_in(_instance)

    # The consumer stands, so that its children can be watched.
    @signals.worker_ready.connect(weak=False, dispatch_uid=f"celeriac.watch.{id(app)}")
    def start_watch(sender: Any, **_: object) -> None:
        global _watch
        if ours(sender) and _watch is None and _instance is not None:
            _watch = _make_monitor(sender, _instance)
            _watch.start()

    # The last word of a worker: its row says that it left.
    @signals.worker_shutdown.connect(weak=False, dispatch_uid=f"celeriac.leave.{id(app)}")
    def end_boot(sender: Any, **_: object) -> None:
        if ours(sender) and _instance is not None:
            if _watch is not None:
                _watch.stop()
            _instance.leave()


def _settle_in(instance: WorkerInstance) -> None:
    """Take this child's place; with many slots it has none on the open line: it is never idle."""
    global _slots, _line
    _outlive_sigterm()
    if instance.slots.are_many:
        _slots = many.ChildSlots(instance, _run_lone_job)
    _begin_child()
    if _slots is None:
        _line = OpenLine(instance)


def open_line() -> OpenLine | None:
    """Return this child's place on the open line; None where there is none, as in a solo worker."""
    return _line


def has_plain_tasks_alone() -> bool:
    """Return whether no job may run in this worker."""
    return _is_plain


def canary_queue() -> str | None:
    """Return the queue that this instance alone takes from; None where no worker starts."""
    return _instance.canary if _instance is not None else None


# Celery tells of a stop, and of a child's end, in no other way.
@signals.worker_shutting_down.connect(weak=False, dispatch_uid="celeriac.stop")
def announce_stop(**_: object) -> None:
    """Start no other job from now on."""
    if _instance is not None:
        _instance.stop()


# See above.
@signals.worker_process_shutdown.connect(weak=False, dispatch_uid="celeriac.spans")
def end_child(**_: object) -> None:
    """Let what runs in a child end; send its spans."""
    if _slots is not None:
        _slots.finish()
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


def _begin_child() -> None:
    """Take this child's place at its start; end it where there is none."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            worker_context()
        except Exception as error:
            # Celery only logs what a receiver raises, and the child would take doorbells.
            if time.monotonic() > deadline:
                logger.error("a child without a journal ends: %s", error)
                os._exit(1)
            time.sleep(0.05)
        else:
            return


def doorbell_context() -> WorkerContext:
    """Return the context to answer a doorbell in; OSError where nobody sees its journal."""
    here = worker_context()
    if _journal is not None and _journal.is_gone and _slots is None:
        _use_journal(_new_journal())
    _wait_until_seen()
    return here


def slot_pool() -> SlotPool | None:
    """Return the slots of a child that runs many jobs at once; None where it runs one by one."""
    if _slots is None or _journal is None:
        return None
    return _slots.pool(worker_context(), _journal)


def _run_lone_job(job_id: UUID) -> None:
    """Run a job with losses in this process, which was forked for it."""
    global _worker_context, _journal, _slots
    _worker_context = _journal = _slots = None
    execute.answer_doorbell([job_id], context=doorbell_context())
    tracing.flush()


def worker_context() -> WorkerContext:
    """Return this process's context: a child's, a solo worker's, or one without a monitor."""
    global _worker_context
    if _worker_context is not None and _is_deaf:  # not before the first doorbell
        _hear_sigterm()
        _worker_context.process_state = ProcessState()  # as its first handler finds them
    if _worker_context is None and _instance is None:
        _worker_context = WorkerContext(worker=uuid4(), capabilities=capabilities())
    elif _worker_context is None and _instance is not None:
        journal = _new_journal()
        _worker_context = WorkerContext(
            worker=_instance.id,
            capabilities=capabilities(),
            journal=journal,
            stopping=_instance.is_stopping,
            write_sign=_write_sign,
        )
        _use_journal(journal)
    assert _worker_context is not None  # noqa: S101 one of the branches above has set it
    return _worker_context


def _new_journal() -> FileJournal:
    if _instance is None:
        raise RuntimeError("A process without an instance has no journal.")
    return FileJournal(_instance.folder.path, _instance.slots.width if _slots is not None else 0)


def _use_journal(journal: FileJournal) -> None:
    """Work with this slot from now on, and count beside it."""
    global _journal
    before, _journal = _journal, journal
    if _worker_context is not None:
        _worker_context.journal = journal
    awake_time.use_watch(journal.frozen, journal.looked)
    counters.process.move_to(
        SharedStore(journal.path.parent)
    )  # after the journal, which says it lives
    if before is not None:
        before.abandon()


def _wait_until_seen() -> None:
    """Wait until the parent has found the journal: at its first doorbell a child may be too new."""
    deadline = time.monotonic() + _PATIENCE
    while _journal is not None and not _journal.looked():
        if time.monotonic() > deadline:
            raise FileNotFoundError(f"Nobody looks at the journal {_journal.path}.")
        time.sleep(0.005)


def _write_sign() -> None:
    """Say that the worker lives, where its parent could not for half a lease."""
    instance = _instance
    if instance is None or instance.unheard_for < conf.WORKER_LEASE_SECONDS / 2:
        return
    try:
        liveness.write_sign(instance.id)
        instance.heard()
    except Exception as error:  # it must not keep a claim from being worked on
        logger.warning("a sign of life could not be given: %s", error)


def _begin_instance(worker: Any) -> WorkerInstance | None:
    """Return a new instance, None where the worker has plain tasks alone.

    SystemExit where its queues may get jobs and it can't serve them.
    """
    try:
        if not serving.can_hold_jobs(worker):
            return None
        serving.take_own_queues(worker.app)
        publish.publish_by_hand()
        revoking.install_revoking()
        pool_size.install_pool_size()
        _replace_children(worker)
        limit_plain_tasks(worker)
        instance = WorkerInstance(_slot_directory(), many.slots_of_worker(worker))
        inspecting.install_inspecting(instance)
        return instance
    except Exception as error:
        # Celery only logs what a receiver raises, and the worker would run jobs that nobody
        # watches: after a lease they would be rescued, and run twice.
        raise SystemExit(f"This worker can't work for the ledger: {error}") from error


def _replace_children(worker: Any) -> None:
    """Have `--max-tasks-per-child` count jobs, and not the messages that bring them."""
    kilobytes = worker.max_memory_per_child
    wear.use_limits(worker.max_tasks_per_child, kilobytes and -(-int(kilobytes) // 1024))


def _slot_directory() -> Path:
    directory = Path(conf.SLOT_DIRECTORY)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The journals' directory {directory} can't be made ({error.strerror}): set"
            " SLOT_DIRECTORY to one that this user may write and that no cleaner empties."
        ) from error
    return directory


def _make_monitor(consumer: Any, instance: WorkerInstance) -> ChildMonitor:
    """Return the monitor of this worker's children, whom its consumer may call off from now on."""
    if can_call_off(consumer):
        consumer.call_off, consumer.announce_stop = instance.call_off, instance.stop
    info = partial(consumed.worker_info, consumer, instance)
    return ChildMonitor(instance, info, partial(consumed.line_queues, consumer, instance))
