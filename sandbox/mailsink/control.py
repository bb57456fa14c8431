"""The client of the sink's control API."""

import base64
from dataclasses import dataclass
from typing import Any, TypedDict

from sandbox.kit.client import ControlClient


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
    down: dict[str, Any]


class MailsinkControl:
    """Steers and reads one sink; every method raises ControlError and OSError."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._client = ControlClient(url, timeout)

    def healthy(self) -> bool:
        """Return whether the sink's control answers."""
        try:
            return bool(self._client.get("/health")["ok"])
        except OSError:
            return False

    def faults(self, **changes: float | str | bool) -> dict[str, Any]:
        """Change fault settings by name (see FaultSettings) and return them all."""
        return dict(self._client.call("PATCH", "/faults", changes))

    def down(self, seconds: float = 3600.0, mode: str = "reset") -> None:
        """Go down: "reset" cuts each connection, "unavailable" says 421 first."""
        self._client.call("POST", "/down", {"seconds": seconds, "mode": mode})

    def up(self) -> None:
        """Come back at once."""
        self._client.call("DELETE", "/down")

    def messages(self, after: int = 0) -> list[ReceivedMessage]:
        """Return the messages kept after the one of that number, oldest first."""
        return [_message(row) for row in self._client.get("/messages", after=after)]

    def stats(self) -> MailsinkStats:
        """Return the counts."""
        stats: MailsinkStats = self._client.get("/stats")
        return stats

    def reset(self) -> None:
        """Forget everything and return to the settings of the start."""
        self._client.call("POST", "/reset", {})


def _message(row: dict[str, Any]) -> ReceivedMessage:
    headers = [(name, value) for name, value in row["headers"]]
    return ReceivedMessage(**{**row, "raw": base64.b64decode(row["raw"]), "headers": headers})
