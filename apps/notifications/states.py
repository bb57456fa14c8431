"""The life of an email, and how much its class minds a second copy. Pure."""

from django.db.models import TextChoices


class State(TextChoices):
    """What an email's row says; each names what moves it on."""

    #: Waits for its job.
    QUEUED = "queued", "queued"
    #: Committed before the mail server is called; a run that finds it knows of a lost one.
    SENDING = "sending", "sending"
    #: The mail server took it; final.
    ACCEPTED = "accepted", "accepted"
    #: The mail server refused it for good; final.
    FAILED = "failed", "failed"
    #: It may have been taken. Transactional mail is sent again; for bulk mail this is final.
    UNKNOWN = "unknown", "unknown"
    #: The address is on the suppression list; final, nothing was sent.
    SUPPRESSED = "suppressed", "suppressed"


class MessageClass(TextChoices):
    """What an unknown outcome means."""

    #: At least once: send again under the same Message-ID.
    TRANSACTIONAL = "transactional", "transactional"
    #: At most once: never again.
    BULK = "bulk", "bulk"


FINAL = frozenset({State.ACCEPTED, State.FAILED, State.SUPPRESSED})


class CampaignState(TextChoices):
    """What a campaign's row says; each names what moves it on."""

    #: May still get recipients; an operator starts it.
    DRAFT = "draft", "draft"
    #: Its job sends.
    RUNNING = "running", "running"
    #: An operator stopped it, or its job; it may be started again, and goes on.
    CANCELLED = "cancelled", "cancelled"
    #: Its job died; it may be started again, and goes on.
    STALLED = "stalled", "stalled"
    #: Nobody is left to be sent to; final.
    FINISHED = "finished", "finished"


class Delivery(TextChoices):
    """What became of one recipient. Only a pending one is ever sent to."""

    #: Not tried, or provably not sent.
    PENDING = "pending", "pending"
    #: Committed before the mail server is called.
    SENDING = "sending", "sending"
    #: The mail server took it; final.
    ACCEPTED = "accepted", "accepted"
    #: The mail server refused it for good, or too often; final.
    FAILED = "failed", "failed"
    #: It may have been taken: never sent again. Final unless its own run still learns better.
    UNKNOWN = "unknown", "unknown"
    #: On the suppression list when its turn came; final, nothing was sent.
    SUPPRESSED = "suppressed", "suppressed"
