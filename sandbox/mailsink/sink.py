"""The sink whole: SMTP on one port, its control on another."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.common.down import Outage
from sandbox.common.http import LOOPBACK, LoopbackServer
from sandbox.common.journal import Journal
from sandbox.mailsink.control import MailsinkControl
from sandbox.mailsink.control_api import control_api
from sandbox.mailsink.faults import FaultInjector, FaultSettings
from sandbox.mailsink.smtp import SinkController
from sandbox.mailsink.store import MessageStore


@dataclass(frozen=True, slots=True)
class MailsinkOptions:
    """How a sink starts; port 0 takes a free one."""

    port: int = 0
    control_port: int = 0
    journal: str | os.PathLike[str] | None = None


class Mailsink:
    """An SMTP server on loopback that delivers nothing and keeps everything."""

    def __init__(self, options: MailsinkOptions, settings: FaultSettings) -> None:
        self.faults, self.outage = FaultInjector(settings), Outage()
        self._journal = Journal(options.journal)
        self.store = MessageStore(self._journal)
        self._smtp = SinkController(self.store, self.faults, self.outage, options.port)
        control = control_api(self.store, self.faults, self.outage, self.reset)
        self._server = LoopbackServer(control.answer, options.control_port)

    @property
    def host(self) -> str:
        """Where SMTP listens."""
        return LOOPBACK

    @property
    def port(self) -> int:
        """The port of SMTP, known once started."""
        return int(self._smtp.port)

    @property
    def control_url(self) -> str:
        """Where the control API listens."""
        return self._server.url

    def start(self) -> None:
        self._smtp.start()
        self._server.start()

    def reset(self) -> None:
        """Be as at the start; returns when no message is under way."""
        self._smtp.reset(self._forget)

    def _forget(self) -> None:
        self.store.clear()
        self.faults.reset()
        self.outage.clear()

    def stop(self) -> None:
        self._server.stop()
        self._smtp.stop()
        self._journal.close()


@dataclass(frozen=True, slots=True)
class RunningMailsink:
    """A sink in this process: where SMTP is, and its control."""

    host: str
    port: int
    control: MailsinkControl


@contextlib.contextmanager
def running_mailsink(
    options: MailsinkOptions | None = None, settings: FaultSettings | None = None
) -> Iterator[RunningMailsink]:
    """Run a sink on free ports until the block ends."""
    sink = Mailsink(options or MailsinkOptions(), settings or FaultSettings())
    sink.start()
    try:
        yield RunningMailsink(sink.host, sink.port, MailsinkControl(sink.control_url))
    finally:
        sink.stop()
