"""The thread of a run: where sync code runs that its coroutine calls (sync_to_async).

Django's async ORM is such code, and a connection belongs to a thread: so no run meets what another
left on one. A run has a thread from its first such call to its end; then another run may have it.
What is lent meanwhile goes back after each call, unless something is left on it: an open
transaction, a changed session.
"""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future

from celeriac.jobs import schemas
from celeriac.jobs.running import sessions
from celeriac.jobs.running.many.lent import (
    Fork,
    give_back_clean_connections,
    give_back_connections,
)
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.sessions import ConnectionsBefore

logger = logging.getLogger(__name__)

_Call = Callable[[], None]


class _CallThread(threading.Thread):
    """One thread, which does one call after the other."""

    def __init__(self) -> None:
        super().__init__(name="celeriac-run", daemon=True)
        self.calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Do what is asked for, until told to end."""
        while (call := self.calls.get()) is not None:
            try:
                call()
            except Exception:
                logger.exception("a thread of runs could not give back what it was lent")
            del call  # what it holds may be large, and the next may be long in coming


class RunThreads:
    """The threads that no run has now. Safe for threads."""

    def __init__(self) -> None:
        self._idle: list[_CallThread] = []

    def take(self) -> _CallThread:
        """Return a thread: the one that was used last, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            thread = _CallThread()
            thread.start()
            return thread

    def put_back(self, thread: _CallThread) -> None:
        """Let another run have the thread."""
        self._idle.append(thread)

    def stop(self) -> None:
        """End those that nobody has."""
        while self._idle:
            thread = self._idle.pop()
            thread.calls.put(None)
            thread.join()


class RunThread(Executor):
    """The thread of one run, which it gets with its first call."""

    def __init__(self, threads: RunThreads) -> None:
        self._threads = threads
        self._thread: _CallThread | None = None
        self._taking = threading.Lock()
        self._fork = Fork()
        self._before: ConnectionsBefore | None = None
        self._schema: object = None

    @property
    def is_used(self) -> bool:
        """Whether the run has called sync code."""
        return self._thread is not None

    def submit[**P, T](
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Call `function` in the thread, after what was asked for before."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                value = self._call(function, *args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(value)

        self._take().calls.put(call)
        return future

    def before(self) -> ConnectionsBefore:
        """Return the thread's connections as the run found them: to a call in the thread."""
        return self._before or sessions.look_at_connections()

    def enter_schema(self, run: Run) -> None:
        """Let the thread work in the schema of the run's tenant: called in it, before all else."""
        self._schema = schemas.enter(run.job.tenant, run.kind.handler)

    def leave(self) -> None:
        """Let another run have the thread, with nothing of this run's: the last call is over."""
        if (thread := self._thread) is not None:
            thread.calls.put(self._give_back)
            self._threads.put_back(thread)

    def _call[**P, T](self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._before is None:
            self._before = sessions.look_at_connections()
        try:
            return function(*args, **kwargs)
        finally:
            self._fork.end()
            give_back_clean_connections()

    def _give_back(self) -> None:
        schemas.leave(self._schema)
        give_back_connections()

    def _take(self) -> _CallThread:
        with self._taking:
            if self._thread is None:
                self._thread = self._threads.take()
            return self._thread
