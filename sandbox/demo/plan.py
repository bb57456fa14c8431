"""When what goes wrong: by the share of orders that are settled, so that no machine is too slow."""

from collections.abc import Callable
from dataclasses import dataclass

#: The shares of settled orders at which a worker dies, the gateway goes down, the broker empties.
KILL_AT, OUTAGE_AT, FLUSH_AT = 0.20, 0.35, 0.55


@dataclass(slots=True)
class PlannedFault:
    """Something that goes wrong once `share` of the orders is settled.

    `perform` returns False while its moment has not come; it is asked again at the next look.
    """

    share: float
    perform: Callable[[], bool]
    done: bool = False


class Plan:
    """The faults of a run, in order, one after another."""

    def __init__(self, acts: list[PlannedFault]) -> None:
        """Keep the acts by their share."""
        self.acts = sorted(acts, key=lambda act: act.share)

    @property
    def is_done(self) -> bool:
        """Whether everything has gone wrong that should."""
        return all(act.done for act in self.acts)

    def follow(self, share: float) -> None:
        """Perform the next act if its time has come."""
        for act in self.acts:
            if not act.done:
                act.done = share >= act.share and act.perform()
                return
