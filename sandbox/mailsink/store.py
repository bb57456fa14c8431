"""What the sink received, in memory and, if asked, in a journal."""

import base64
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from sandbox.common.journal import Journal

MAX_MESSAGES = 50_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received; `replied` is False when its sender never learnt of it."""

    number: int
    at: float
    message_id: str
    mail_from: str
    rcpt_tos: list[str]
    subject: str
    headers: list[list[str]]
    raw: str
    replied: bool


def parse(raw: bytes) -> EmailMessage:
    """Return the message with its headers decoded."""
    return message_from_bytes(raw, policy=policy.default)


class MessageStore:
    """The latest messages and the counts of all replies; safe for threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._replies: Counter[str] = Counter()
        self._number = 0
        for record in journal.read():
            self._messages.append(Message(**record))
            self._number = record["number"]

    def keep(
        self,
        raw: bytes,
        *,
        mail_from: str,
        rcpt_tos: list[str],
        parsed: EmailMessage,
        replied: bool,
    ) -> None:
        """Keep a message; it counts as received from now on."""
        with self._lock:
            self._number += 1
            message = Message(
                number=self._number,
                at=time.time(),
                message_id=str(parsed.get("Message-ID", "")),
                mail_from=mail_from,
                rcpt_tos=rcpt_tos,
                subject=str(parsed.get("Subject", "")),
                headers=[[name, str(value)] for name, value in parsed.items()],
                raw=base64.b64encode(raw).decode(),
                replied=replied,
            )
            self._journal.append(asdict(message))
            self._messages.append(message)

    def count(self, reply: str) -> None:
        """Count one reply: "250", the code of a refusal, or how the connection ended."""
        with self._lock:
            self._replies[reply] += 1

    def messages(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the messages with a number above `after`, oldest first."""
        with self._lock:
            kept = list(self._messages)
        return (asdict(message) for message in kept if message.number > after)

    def report(self) -> dict[str, Any]:
        with self._lock:
            ids = Counter(message.message_id for message in self._messages)
            unheard = sum(not message.replied for message in self._messages)
            replies = dict(self._replies)
        return {
            "messages": ids.total(),
            "unique": len(ids),
            "unheard": unheard,
            "replies": replies,
            "by_message_id": dict(ids),
        }

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._messages.clear()
            self._replies.clear()
            self._number = 0
            self._journal.clear()
