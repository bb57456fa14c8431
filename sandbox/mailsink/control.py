"""The client of the sink's control API."""

import base64
from dataclasses import dataclass
from typing import Any, TypedDict

from sandbox.common.control import Control, Down


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """One message that the sink kept; `replied` is False when its sender was cut off.

    `at` is in seconds since the epoch; `headers` keeps order and repeats.
    """

    number: int
    at: float
    message_id: str
    mail_from: str
    rcpt_tos: list[str]
    subject: str
    headers: list[tuple[str, str]]
    raw: bytes
    replied: bool


class MailsinkStats(TypedDict):
    """Everything counted: messages kept, distinct Message-IDs, replies by code."""

    messages: int
    unique: int
    unheard: int
    replies: dict[str, int]
    by_message_id: dict[str, int]
    down: Down


class MailsinkControl(Control):
    """Steers and reads one sink; every method raises ControlError and OSError."""

    def messages(self, after: int = 0) -> list[ReceivedMessage]:
        """Return the messages kept after the one of that number, oldest first."""
        return [_message(row) for row in self._client.get("/messages", after=after)]

    def stats(self) -> MailsinkStats:
        stats: MailsinkStats = self._client.get("/stats")
        return stats


def _message(row: dict[str, Any]) -> ReceivedMessage:
    headers = [(name, value) for name, value in row["headers"]]
    return ReceivedMessage(**{**row, "raw": base64.b64decode(row["raw"]), "headers": headers})
