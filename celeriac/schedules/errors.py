"""What can go wrong with a schedule."""

from collections.abc import Mapping

from celeriac.core.errors import CeleriacError


class ScheduleError(CeleriacError):
    """The schedule was refused."""


class InvalidSchedule(ScheduleError):
    """The schedule does not say when, or not what.

    `errors` maps each field to what is wrong with it.
    """

    def __init__(self, message: str = "", *, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})


class ScheduleNotFound(ScheduleError):
    """There is no such schedule."""
