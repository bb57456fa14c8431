"""Writing notes beside the program's own work: on a thread and a connection of their own.

A note that takes long costs the one who waits for it half a second, once; then nobody waits for a
while. What cannot be written is lost, and for a while nothing is tried. What was lost is counted,
and the count is written once writing works again.
"""

import atexit
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import DatabaseError, connection, transaction

from celeriac.core.queries import execute
from celeriac.jobs.models import ShadowGap

logger = logging.getLogger(__name__)

#: Notes that wait at most, seconds that one may be waited for, and for which none is written or
#: waited for after a failure.
_MOST, _PATIENCE, _SPARED = 10_000, 0.5, 5.0
#: Of one transaction alone: a pooler may give its session to others.
_BOUNDS = """
SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '300ms', true),
    set_config('statement_timeout', '2s', true)
"""
#: Seconds after which a thread that has nothing to write ends, and its connection with it.
_IDLE = 30.0


@dataclass(slots=True)
class Note:
    """Something to write: `write` runs in the writer's thread, in a transaction of its own."""

    write: Callable[["Note"], object]
    #: Whether somebody gave up waiting: it is no longer of the moment that it tells of.
    is_late: bool = False
    written: threading.Event = field(default_factory=threading.Event)


class NoteWriter:
    """Writes notes one after the other; one of it per process, its thread made when needed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, in a fork: the notes of the parent are the parent's."""
        self._notes: queue.Queue[Note | None] = queue.Queue(_MOST)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._spared_until = self._hasty_until = 0.0
        self._lost, self._why = 0, ""

    def add(self, note: Note, *, wait: bool = True) -> None:
        """Have a note written, and wait for it a moment. Never raises."""
        now = time.monotonic()
        if now < self._spared_until:
            self._lose(1, self._why)
            return
        self._start()
        try:
            self._notes.put_nowait(note)
        except queue.Full:
            self._lose(1, "there were too many")
            return
        if not wait:
            return
        if now < self._hasty_until:
            note.is_late = True  # it is written all the same, as one that came later
        elif not note.written.wait(_PATIENCE):
            note.is_late = True
            self._hasty_until = time.monotonic() + _SPARED

    def flush(self, seconds: float = 1.0) -> None:
        """Wait until what was added is written, for so long at most."""
        if self._thread is None or not self._thread.is_alive():
            return
        mark = Note(lambda note: None)
        try:
            self._notes.put(mark, timeout=seconds)
        except queue.Full:
            return
        mark.written.wait(seconds)

    def stop(self) -> None:
        """Write what was added, end the thread, and start anew: for tests."""
        if (thread := self._thread) is not None and thread.is_alive():
            self._notes.put(None)
            thread.join()
        self.forget()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="celeriac-shadow", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                try:
                    note = self._notes.get(timeout=_IDLE)
                except queue.Empty:
                    with self._lock:  # whoever adds now finds no thread, and starts one
                        if self._notes.empty():
                            self._thread = None
                            return
                    continue
                if note is None:
                    return
                self._write(note)
        finally:
            connection.close()

    def _write(self, note: Note) -> None:
        try:
            with transaction.atomic():
                execute(_BOUNDS)
                note.write(note)
            if self._lost:
                self._tell()
        except Exception as error:  # a shadow that breaks is nobody's matter but its own
            self._lose(1, str(error).strip()[:300])
            self._spare(str(error).strip()[:300])
            if not isinstance(error, DatabaseError):
                logger.exception("a note of the shadow could not be written")
            connection.close()
        finally:
            note.written.set()

    def _tell(self) -> None:
        """Write how many notes were lost."""
        lost, self._lost = self._lost, 0
        ShadowGap.objects.create(
            host=socket.gethostname(), pid=os.getpid(), notes=lost, why=self._why
        )

    def _lose(self, count: int, why: str) -> None:
        self._lost, self._why = self._lost + count, why

    def _spare(self, why: str) -> None:
        if time.monotonic() >= self._spared_until:
            logger.warning("the shadow writes nothing for %.0f s: %s", _SPARED, why)
        self._spared_until, self._why = time.monotonic() + _SPARED, why


notes = NoteWriter()
os.register_at_fork(after_in_child=notes.forget)
atexit.register(notes.flush)
