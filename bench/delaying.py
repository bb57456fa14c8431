"""A TCP proxy that answers late, as a managed database does: `python -m bench.delaying PORT`.

It prints the port that it listens on. Each answer of the server arrives one trip's time after it
was sent; what the client sends arrives at once. Threads, since a loop's timers are as coarse as
the delay.
"""

import queue
import socket
import sys
import threading
import time

#: Seconds of a round trip.
TRIP = 0.001
_CHUNK = 1 << 16


def main(port: int) -> None:
    """Forward connections to a port of this machine, until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        for target, arguments in (
            (forward, (client, server)),
            (take, (server, answers)),
            (deliver, (client, answers)),
        ):
            threading.Thread(target=target, args=arguments, daemon=True).start()


def forward(client: socket.socket, server: socket.socket) -> None:
    """Pass on what the client sends."""
    while data := _read(client):
        server.sendall(data)
    _close(server)


def take(server: socket.socket, answers: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
    """Note each answer with the time at which it is due."""
    while True:
        data = _read(server)
        answers.put((time.monotonic() + TRIP, data))
        if not data:
            return


def deliver(client: socket.socket, answers: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
    """Pass each answer on when it is due."""
    while True:
        due, data = answers.get()
        time.sleep(max(0.0, due - time.monotonic()))
        if not data:
            return _close(client)
        try:
            client.sendall(data)
        except OSError:
            return


def _read(end: socket.socket) -> bytes:
    """Return what came, nothing at the end."""
    try:
        return end.recv(_CHUNK)
    except OSError:
        return b""


def _close(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]))
