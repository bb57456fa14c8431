"""What can go wrong with a bulk action."""

from celeriac.core.errors import CeleriacError


class BulkError(CeleriacError):
    """The action was refused."""


class UnknownAction(BulkError):
    """There is no such action."""


class BadFilter(BulkError):
    """The filter can't be read as the list of jobs reads it."""


class NotAllowed(BulkError):
    """The permission for this action is missing."""


class NothingToStop(BulkError):
    """It has ended already."""
