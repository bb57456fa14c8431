"""A mail sink on loopback that keeps what it received, with faults on demand."""

from sandbox.mailsink.control import MailsinkControl, ReceivedMessage
from sandbox.mailsink.faults import FaultSettings
from sandbox.mailsink.sink import Mailsink, MailsinkOptions, RunningMailsink, running_mailsink

__all__ = [
    "FaultSettings",
    "Mailsink",
    "MailsinkControl",
    "MailsinkOptions",
    "ReceivedMessage",
    "RunningMailsink",
    "running_mailsink",
]
