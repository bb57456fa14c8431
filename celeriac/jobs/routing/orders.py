"""Orders: tasks by pattern, and which share of their calls becomes jobs. Pure: no Django.

Of the orders that fit a task's name the newest counts. Within a share a call's side follows from
its task's id: the same id is on the same side in every process, and stays a job as the share grows.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from hashlib import sha256

#: Percent of the calls that are jobs where nobody ordered anything.
ALL = 100.0
_WORDS = {"plain": 0.0, "ledger": ALL}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%\Z")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody ordered: of the tasks that fit `pattern`, `share` percent of calls are jobs."""

    pattern: str
    share: float
    #: Grows with the orders: microseconds of the ledger's clock.
    edit: int
    reason: str = ""
    by: str = ""
    #: Whether its row, and with it the audit trail, has it.
    recorded: bool = True

    @property
    def target(self) -> str:
        """The share in words: `plain`, `ledger` or `5%`."""
        return target_of(self.share)

    def encode(self) -> str:
        """Return the order as text."""
        return json.dumps(asdict(self))


def decode_order(text: str | bytes) -> Order | None:
    """Return the order that a text is, None where it is none."""
    try:
        found = json.loads(text)
        order = Order(**{each.name: found[each.name] for each in fields(Order)})
        usable = isinstance(order.pattern, str) and isinstance(order.edit, int)
        return order if usable and 0.0 <= float(order.share) <= ALL else None
    except (ValueError, TypeError, KeyError):
        return None


def read_target(text: str) -> float:
    """Return the share that `plain`, `ledger` or a percentage says; ValueError for any other."""
    said = text.strip().lower()
    if said in _WORDS:
        return _WORDS[said]
    match = _PERCENT.match(said)
    if match is None or float(match[1]) > ALL:
        raise ValueError(f"{text!r} is neither plain, ledger nor a percentage such as 5%")
    return float(match[1])


def target_of(share: float) -> str:
    """Return a share in words."""
    words = {value: word for word, value in _WORDS.items()}
    return words.get(share, f"{share:g}%")


def newest(*sources: Iterable[Order]) -> dict[str, Order]:
    """Return the newest order of each pattern; of the same one, who knows its row."""
    found: dict[str, Order] = {}
    for order in (each for source in sources for each in source):
        known = found.get(order.pattern)
        if known is None or (order.edit, order.recorded) > (known.edit, known.recorded):
            found[order.pattern] = order
    return found


def order_for(name: str, orders: Mapping[str, Order]) -> Order | None:
    """Return the order that counts for the task of that name."""
    fitting = [order for order in orders.values() if fnmatchcase(name, order.pattern)]
    return max(fitting, key=lambda order: (order.edit, order.pattern), default=None)


def share_of(name: str, orders: Mapping[str, Order]) -> float:
    """Return the percentage of a task's calls that are jobs."""
    order = order_for(name, orders)
    return ALL if order is None else order.share


def is_in_share(task_id: str, share: float) -> bool:
    """Return whether the call of that id is a job."""
    if share <= 0.0 or share >= ALL:
        return share >= ALL
    drawn = int.from_bytes(sha256(task_id.encode(errors="surrogatepass")).digest()[:8])
    return drawn / 2**64 * 100.0 < share
