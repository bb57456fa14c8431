"""Jobs with losses, each in a process of its own: one that ends its process takes no other along.

A process with many slots has threads, and what is forked from threads may hang. So before it has
any it forks a helper, which does nothing but fork again, for one job each.
"""

import errno
import logging
import os
import select
import signal
import socket
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from celeriac.jobs.log_names import job_names

logger = logging.getLogger(__name__)

#: Processes at a time.
MOST = 4
#: Seconds between two looks at them.
LOOK_EVERY = 0.1


class LoneJobs:
    """The helper, as the process with the slots sees it."""

    def __init__(self, answer: Callable[[UUID], object], *, stopping: Callable[[], bool]) -> None:
        """Fork it; `answer` runs one job, in the new process that it is called in."""
        self._line, theirs = socket.socketpair()
        parent = os.getppid()
        if os.fork() == 0:
            _begin(theirs, _Helper(theirs, answer, stopping, parent))
        theirs.close()

    def run(self, ids: Sequence[UUID]) -> None:
        """Have these jobs run, one to a process, soon; OSError where the helper is gone."""
        logger.info("in processes of their own, since they have losses: %s", job_names(ids))
        self._line.sendall(b"".join(job_id.bytes for job_id in ids))

    def finish(self) -> None:
        """Wait until those that run have ended."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
            while self._line.recv(1):
                pass


class _Helper:
    """The helper itself."""

    def __init__(
        self,
        line: socket.socket,
        answer: Callable[[UUID], object],
        stopping: Callable[[], bool],
        parent: int,
    ) -> None:
        self._line = line
        self._answer = answer
        self._stopping = stopping
        self._parent = parent
        self._waiting: dict[UUID, None] = {}
        self._running: dict[int, UUID] = {}
        self._is_open = True

    def run_until_closed(self) -> None:
        """Fork for what is asked for, until nobody asks any more and all have ended."""
        while self._is_open or self._running:
            self._read()
            self._reap()
            if not self._is_open and not _lives(self._parent):
                self._kill()  # as the end of a worker's parent kills its children
            if self._stopping() or not self._is_open:
                self._waiting.clear()
            for job_id in self._startable():
                self._start(job_id)

    def _read(self) -> None:
        if not self._is_open:
            time.sleep(LOOK_EVERY)
            return
        patience = LOOK_EVERY if self._running else None
        if not select.select([self._line], [], [], patience)[0]:
            return
        text = self._line.recv(1 << 16)
        self._is_open = bool(text)
        for at in range(0, len(text), 16):  # whole ids: the other side writes no others
            self._waiting[UUID(bytes=text[at : at + 16])] = None

    def _startable(self) -> list[UUID]:
        """Return what may start now: not what runs still, or whose process was not seen to end."""
        found = [job_id for job_id in self._waiting if job_id not in self._running.values()]
        return found[: max(0, MOST - len(self._running))]

    def _start(self, job_id: UUID) -> None:
        del self._waiting[job_id]
        pid = os.fork()
        if pid:
            self._running[pid] = job_id
            return
        try:
            self._line.close()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._answer(job_id)
        except BaseException:
            logger.exception("job %s could not be run in a process of its own", job_id)
        finally:
            os._exit(0)

    def _reap(self) -> None:
        while self._running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._running.pop(pid, None)

    def _kill(self) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _begin(line: socket.socket, helper: _Helper) -> None:
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when nobody asks any more
        _let_go(line.fileno())
        helper.run_until_closed()
    except BaseException:
        logger.exception("the process for jobs with losses has ended")
    finally:
        os._exit(0)


def _let_go(kept: int) -> None:
    """Let go of the pipes and sockets of the process before: its end must be seen."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError as error:
            if error.errno == errno.EBADF:
                continue  # the listing's own
            raise
        is_line = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        if descriptor > 2 and descriptor != kept and is_line:
            os.dup2(nothing, descriptor)  # its number stays taken: somebody may still close it
    os.close(nothing)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
