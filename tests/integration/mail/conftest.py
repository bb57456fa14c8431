"""The stand-ins that these tests call."""

from tests.support.providers import (  # noqa: F401 fixtures
    _mailsink_server,
    circuits,
    mailsink,
)
