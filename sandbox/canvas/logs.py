"""Log records of one process in another, as they were: their own worker does it by a queue."""

import logging
import pickle
import socket
import threading
from logging.handlers import DatagramHandler
from typing import Any

from sandbox.ports import LOOPBACK

#: Bytes; a datagram has no more.
_MOST = 60_000


class RecordHandler(DatagramHandler):
    """Sends each record whole, with its template and arguments; a large one is dropped."""

    def makePickle(self, record: logging.LogRecord) -> bytes:  # noqa: N802 logging's name
        """Return the record without its traceback, which can't travel."""
        facts = {**vars(record), "exc_info": None}
        try:
            return pickle.dumps(facts)
        except Exception:
            return pickle.dumps({**facts, "args": None, "msg": record.getMessage()})

    def send(self, s: Any) -> None:
        """Send it if it fits."""
        if len(s) < _MOST:
            super().send(s)


def send_logs(port: int) -> None:
    """Have this process's records, and its children's, sent to that port."""
    logging.getLogger().addHandler(RecordHandler(LOOPBACK, port))


def receive_logs() -> tuple[int, Any]:
    """Handle records that come to a port of our own; return it, and what ends that."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((LOOPBACK, 0))

    def handle() -> None:
        while True:
            try:
                facts = pickle.loads(server.recv(2 * _MOST))  # noqa: S301 of our own worker
            except OSError:
                return
            record = logging.makeLogRecord(facts)
            logging.getLogger(record.name).handle(record)

    threading.Thread(target=handle, daemon=True).start()
    return int(server.getsockname()[1]), server.close
