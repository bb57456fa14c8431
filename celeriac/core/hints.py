"""What somebody who mistyped a name probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(
    name: object, known: Iterable[str], otherwise: str = "", *, lead: str = " Did"
) -> str:
    """Return `lead` and the question for the nearest of `known`; `otherwise` where none is near."""
    near = get_close_matches(str(name), list(known), n=1)
    return f"{lead} you mean {near[0]!r}?" if near else otherwise
