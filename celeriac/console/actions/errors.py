"""What can go wrong with a verb over a filter."""

from celeriac.core.errors import CeleriacError


class VerbError(CeleriacError):
    """The verb was refused."""


class UnknownVerb(VerbError):
    """There is no such verb."""


class BadFilter(VerbError):
    """The filter can't be read as the list of jobs reads it."""


class NotAllowed(VerbError):
    """The permission for this verb is missing."""


class NothingToStop(VerbError):
    """It has ended already."""
