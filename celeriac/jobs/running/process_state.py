"""The process around a handler: what one left changed must not meet the next job.

What Python alone knows is set back after each run. A child whose limits, directory,
umask, time zone or signal mask changed is replaced once its doorbell is answered.
"""

import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from celeriac.jobs.running import soft_limit

logger = logging.getLogger(__name__)

#: Resources without which innocent jobs fail.
_NAMES = ("AS", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC", "STACK")
_LIMITS = {
    name: getattr(resource, name)
    for name in [f"RLIMIT_{each}" for each in _NAMES]
    if hasattr(resource, name)
}

#: Signals that end an innocent job, or hide the end of its subprocess, where they are taken over.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)


def _limits() -> list[float]:
    """Return the soft limits; none is infinite."""
    soft = [resource.getrlimit(each)[0] for each in _LIMITS.values()]
    return [float("inf") if each == resource.RLIM_INFINITY else each for each in soft]


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def _umask() -> int:
    mask = os.umask(0o077)  # there is no way to ask alone; nothing is opened up meanwhile
    os.umask(mask)
    return mask


def _blocked() -> set[int]:
    return {int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def _handlers() -> list[Any]:
    return [signal.getsignal(each) for each in _SIGNALS]


def _timer() -> float:
    return signal.getitimer(signal.ITIMER_REAL)[0]


@dataclass(slots=True)
class ProcessState:
    """This process as it was before any handler ran in it."""

    limits: list[float] = field(default_factory=_limits)
    directory: str = field(default_factory=_directory)
    umask: int = field(default_factory=_umask)
    blocked: set[int] = field(default_factory=_blocked)
    zone: tuple[str, ...] = field(default_factory=lambda: time.tzname)
    recursion: int = field(default_factory=sys.getrecursionlimit)
    silenced: int = field(default_factory=lambda: logging.root.manager.disable)
    level: int = field(default_factory=lambda: logging.root.level)
    patience: float | None = field(default_factory=socket.getdefaulttimeout)
    collects: bool = field(default_factory=gc.isenabled)
    handlers: list[Any] = field(default_factory=_handlers)
    timer: float = field(default_factory=_timer)

    def set_back(self) -> None:
        """Undo what costs nothing to look at: after each run."""
        if logging.root.manager.disable != self.silenced:
            logging.disable(self.silenced)
        if sys.getrecursionlimit() != self.recursion:
            sys.setrecursionlimit(self.recursion)
        if logging.root.level != self.level:
            logging.root.setLevel(self.level)
        if socket.getdefaulttimeout() != self.patience:
            socket.setdefaulttimeout(self.patience)
        if gc.isenabled() != self.collects:
            (gc.enable if self.collects else gc.disable)()
        if not self.timer:
            soft_limit.spare_others()

    def change(self) -> str:
        """Return what a handler changed for all that come after it, or ''; set signals back."""
        self._take_signals_back()
        for name, before, now in zip(_LIMITS, self.limits, _limits(), strict=True):
            if now < before:
                return f"a handler lowered {name} to {now:g}"
        if (directory := _directory()) != self.directory:
            return f"a handler changed the working directory to {directory or 'one that is gone'}"
        if (umask := _umask()) != self.umask:
            return f"a handler changed the umask to {umask:03o}"
        if more := _blocked() - self.blocked:
            return f"a handler blocked {', '.join(signal.Signals(each).name for each in more)}"
        if time.tzname != self.zone:
            return f"a handler changed the time zone to {'/'.join(time.tzname)}"
        if logger.disabled:
            return "a handler switched loggers off (disable_existing_loggers)"
        return ""

    def _take_signals_back(self) -> None:
        if (now := _handlers()) == self.handlers:
            return
        for each, before, after in zip(_SIGNALS, self.handlers, now, strict=True):
            if before is not None and after != before:
                signal.signal(each, before)
