"""The life of an email, and how much its class minds a second copy. Pure."""

from enum import StrEnum


class State(StrEnum):
    """What an email's row says; each names what moves it on."""

    #: Waits for its job.
    QUEUED = "queued"
    #: Committed before the mail server is called; a run that finds it knows of a lost one.
    SENDING = "sending"
    #: The mail server took it; final.
    ACCEPTED = "accepted"
    #: The mail server refused it for good; final.
    FAILED = "failed"
    #: It may have been taken. Transactional mail is sent again; for bulk mail this is final.
    UNKNOWN = "unknown"
    #: The address is on the suppression list; final, nothing was sent.
    SUPPRESSED = "suppressed"


class MessageClass(StrEnum):
    """What an unknown outcome means."""

    #: At least once: send again under the same Message-ID.
    TRANSACTIONAL = "transactional"
    #: At most once: never again.
    BULK = "bulk"


FINAL = frozenset({State.ACCEPTED, State.FAILED, State.SUPPRESSED})
