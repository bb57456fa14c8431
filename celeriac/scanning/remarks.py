"""What a scan says: remarks on tasks and on the project, each with its weight."""

from dataclasses import dataclass
from enum import IntEnum

from celeriac.scanning.sources import SourceLine


class Weight(IntEnum):
    """How much a remark matters: the heaviest is a task's verdict."""

    AS_IS = 0
    CHANGES = 1
    LINE = 2
    UNKNOWN = 3
    CANT = 4


#: What people read for each.
WORDS = {
    Weight.AS_IS: "moves as it is",
    Weight.CHANGES: "moves, meaning changes",
    Weight.LINE: "needs a line",
    Weight.UNKNOWN: "unknown",
    Weight.CANT: "can't",
}
#: And what programs do.
CODES = {
    Weight.AS_IS: "as_is",
    Weight.CHANGES: "changes",
    Weight.LINE: "line",
    Weight.UNKNOWN: "unknown",
    Weight.CANT: "cant",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing worth saying, with the places that show it."""

    weight: Weight
    text: str
    places: tuple[SourceLine, ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(str(each) for each in self.places[:4])
        more = f" and {len(self.places) - 4} more" if len(self.places) > 4 else ""
        return f"{self.text} ({shown}{more})" if shown else self.text


def heaviest(remarks: list[Remark]) -> Weight:
    """Return the weight of the heaviest remark."""
    return max((each.weight for each in remarks), default=Weight.AS_IS)
