"""Pages of a list whose rows nobody counts."""

from functools import cached_property

from celeriac.console import theme


class Unknown(int):
    """A number that nobody has counted: larger than any page, and called "matching"."""

    def __str__(self) -> str:
        return "matching"


class InfinitePaginator(theme.InfinitePaginator):  # type: ignore[misc]  # unfold ships no types
    """Offers "next" instead of a number of pages; unfold knows it by this name."""

    @cached_property
    def count(self) -> int:
        """Many: to count them would read all of them."""
        return Unknown(10**10)
