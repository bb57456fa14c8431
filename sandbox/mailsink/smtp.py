"""The SMTP side: aiosmtpd with a handler that keeps, refuses, delays and hangs up."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NoReturn, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.common.down import Outage
from sandbox.common.http import LOOPBACK
from sandbox.common.traffic import PATIENCE
from sandbox.mailsink.faults import FaultInjector
from sandbox.mailsink.store import MessageStore, parse

MAX_MESSAGE = 10_000_000
DOWN_REPLY = "421 4.3.2 Service not available, closing transmission channel"


class SinkHandler:
    """What happens at RCPT and after DATA; runs on the server's own event loop."""

    def __init__(self, store: MessageStore, faults: FaultInjector, outage: Outage) -> None:
        self._store, self._faults, self._outage = store, faults, outage
        self.hurry = asyncio.Event()

    async def handle_RCPT(  # noqa: N802 aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient; an outage also cuts connections that are already open."""
        if self._outage.meet() is not None:
            _hang_up(server)
        refusal = self._faults.refusal_of_recipient(address)
        if refusal is not None:
            self._store.count(refusal[:3])
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep or refuse a message, then reply, now, late or never."""
        if self._outage.active:
            _hang_up(server)
        raw = bytes(envelope.original_content or b"")
        parsed = parse(raw)
        key = str(parsed.get("Message-ID", "")) or raw[:200].decode("utf-8", "replace")
        refusal = self._faults.refusal_of_message(key)
        if refusal is not None:
            self._store.count(refusal[:3])
            return refusal
        dropped = self._faults.drops(key)
        self._store.keep(
            raw,
            mail_from=envelope.mail_from or "",
            rcpt_tos=list(envelope.rcpt_tos),
            parsed=parsed,
            replied=not dropped,
        )
        if dropped:
            self._store.count("dropped")
            _hang_up(server)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.hurry.wait(), self._faults.delay(key))
        self._store.count("250")
        return "250 OK"


class SinkServer(SMTP):
    """An SMTP connection that is cut at once while the sink is down."""

    def __init__(
        self,
        handler: SinkHandler,
        outage: Outage,
        connections: "set[SinkServer]",
        **parameters: Any,
    ) -> None:
        super().__init__(handler, **parameters)
        self._outage, self._connections = outage, connections

    @property
    def is_in_mail(self) -> bool:
        """Whether a sender is in the middle of a message."""
        return self.envelope is not None and self.envelope.mail_from is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or hang up."""
        self._connections.add(self)
        super().connection_made(transport)
        link = cast(asyncio.Transport, transport)
        mode = self._outage.meet()
        if mode == "unavailable":
            link.write(f"{DOWN_REPLY}\r\n".encode())
            link.close()
        elif mode is not None:
            link.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Take the connection off the books."""
        self._connections.discard(self)
        super().connection_lost(error)


class SinkController(Controller):
    """The server in a thread of its own, on a free port when the port is 0."""

    def __init__(
        self, store: MessageStore, faults: FaultInjector, outage: Outage, port: int
    ) -> None:
        self._sink = SinkHandler(store, faults, outage)
        super().__init__(self._sink, hostname=LOOPBACK, port=port)
        self._outage = outage
        self._connections: set[SinkServer] = set()

    def reset(self, forget: Callable[[], None]) -> None:
        """Wait until no message is under way, cut all connections, and call `forget` just then."""
        quiet = self._quiet(forget)
        asyncio.run_coroutine_threadsafe(quiet, self.loop).result(2 * PATIENCE)

    async def _quiet(self, forget: Callable[[], None]) -> None:
        self._sink.hurry.set()
        deadline = self.loop.time() + PATIENCE
        while any(c.is_in_mail for c in self._connections) and self.loop.time() < deadline:
            await asyncio.sleep(0.005)
        for connection in list(self._connections):
            cast(asyncio.Transport, connection.transport).abort()
        self._sink.hurry.clear()
        forget()

    def factory(self) -> SinkServer:
        """Return the protocol of one connection."""
        return SinkServer(
            self.handler,
            self._outage,
            self._connections,
            data_size_limit=MAX_MESSAGE,
            enable_SMTPUTF8=True,
            hostname="mailsink.localhost",
            loop=self.loop,
        )

    def _trigger_server(self) -> None:
        # The port is known once the server listens; the base class connects to it.
        server = cast(asyncio.Server, self.server)
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call] # aiosmtpd's own


def _hang_up(server: SMTP) -> NoReturn:
    """Close the connection without a word: the sender can't know what became of its mail."""
    cast(asyncio.Transport, server.transport).abort()
    raise asyncio.CancelledError
