"""The root of the platform's errors."""

from typing import Any


class CeleriacError(Exception):
    """Something went wrong in the platform.

    A subclass's docstring is its default message; pass another to name the
    thing and the remedy.
    """

    def __init__(self, message: str = "", **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = details
        super().__init__(self.message)
