"""A TCP proxy on loopback that misbehaves on demand: network faults without root.

Its modes hold for all of its connections, or for those that come from some of the client's ports:

- `pass`: bytes go through, `delay` seconds late;
- `lose_answers`: what the client sends arrives, what the server says is dropped;
- `blackhole`: nothing arrives anywhere, and nobody is told;
- `refuse`: open connections are reset, new ones too.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Literal

from sandbox.ports import LOOPBACK

Mode = Literal["pass", "lose_answers", "blackhole", "refuse"]
CHUNK = 65_536
#: SO_LINGER on with no time to linger: closing sends RST instead of FIN.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
#: Seconds between looks of a connection that lets nothing through.
LOOK_EVERY = 0.02
#: Seconds that starting and stopping take at most.
PATIENCE = 10.0


class Link:
    """One connection: the client's socket and ours to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        #: The client's own port.
        self.port = int(client.get_extra_info("peername")[1])
        self.mode: Mode | None = None

    def reset(self) -> None:
        """Close both ends with a reset."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                raw = end.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            end.transport.abort()


class Proxy:
    """Forwards a free port to a server's, from a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.mode: Mode = "pass"
        #: Seconds that each piece of data is late, in each direction.
        self.delay = 0.0
        self.port = 0

    def start(self) -> "Proxy":
        """Listen; return this proxy."""
        self._thread.start()
        self._call(self._listen())
        return self

    def stop(self) -> None:
        """Reset every connection and listen no more."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def set(self, mode: Mode, *, delay: float = 0.0, ports: Collection[int] | None = None) -> None:
        """Change the mode of all connections, new ones included, or of those on `ports` only."""

        async def change() -> None:
            if ports is None:
                self.mode, self.delay = mode, delay
            for link in list(self._links):
                link.mode = mode if ports is not None and link.port in ports else None
            if mode == "refuse":
                self._reset()

        self._call(change())

    def reset(self) -> int:
        """Reset every open connection; new ones go through. Returns how many there were."""

        async def reset() -> int:
            return self._reset()

        return self._call(reset())

    def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._reset()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._connect(from_client, client)
        except (OSError, asyncio.CancelledError):
            client.transport.abort()

    async def _connect(
        self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        while self.mode == "blackhole":
            await asyncio.sleep(LOOK_EVERY)
        if self.mode == "refuse":
            raw = client.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            raise ConnectionResetError
        from_server, server = await asyncio.open_connection(*self._target)
        link = Link(client, server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, from_client, server, lambda mode: False),
                self._pump(link, from_server, client, lambda mode: mode == "lose_answers"),
            )
        finally:
            self._links.discard(link)
            link.client.transport.abort()
            link.server.transport.abort()

    async def _pump(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_dropped: Callable[[Mode], bool],
    ) -> None:
        while data := await reader.read(CHUNK):
            while (link.mode or self.mode) == "blackhole":
                await asyncio.sleep(LOOK_EVERY)
            if self.delay:
                await asyncio.sleep(self.delay)
            if is_dropped(link.mode or self.mode):
                continue
            writer.write(data)
            await writer.drain()
        # One end has closed: so does the other, in good order.
        writer.close()
        (link.client if writer is link.server else link.server).close()
