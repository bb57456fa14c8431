"""Lists as Stripe pages them, newest first, and the expansion of ids into objects."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from sandbox.gateway import errors
from sandbox.gateway.bank import Bank
from sandbox.gateway.params import Params
from sandbox.gateway.tables import Json, Table

MAX_LIMIT = 100
PAGING = ("limit", "starting_after", "ending_before", "created", "expand")
BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}
#: Which id fields may be expanded, and the kind of object behind each.
EXPANDABLE = {
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "charge": "charge",
}


def page_of(
    table: Table,
    params: Params,
    url: str,
    *filters: str,
    matches: Callable[[Json], bool] = lambda row: True,
) -> Json:
    """Return one page of a table, filtered by creation time, named fields and a condition."""
    params.only((*PAGING, *filters))
    limit = params.integer("limit", least=1, most=MAX_LIMIT) or 10
    wanted = {name: params.text(name) for name in filters if params.text(name)}
    within = _created(params)
    rows = (
        row
        for row in _from_cursor(table, params)
        if within(row["created"])
        and matches(row)
        and all(row.get(name) == value for name, value in wanted.items())
    )
    found = list(islice(rows, limit + 1))
    data = found[:limit]
    if params.text("ending_before"):
        data.reverse()
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": data}


def expanded(bank: Bank, answer: Json, paths: Iterable[str]) -> Json:
    """Return the answer with the ids at the paths replaced by their objects."""
    for path in paths:
        head, _, rest = path.partition(".")
        if head == "data" and isinstance(answer.get("data"), list):
            answer = {**answer, "data": [expanded(bank, row, [rest]) for row in answer["data"]]}
            continue
        kind = EXPANDABLE.get(head)
        if kind is not None and head in answer:
            answer = {**answer, head: _object(bank, kind, answer[head], rest)}
    return answer


def check_expansion(paths: Iterable[str]) -> None:
    """Raise ApiError (400) for a path that leads through something that is no id."""
    for path in paths:
        if not set(path.removeprefix("data.").split(".")) <= EXPANDABLE.keys():
            raise errors.invalid(f"This property cannot be expanded ({path}).", "expand")


def _object(bank: Bank, kind: str, object_id: Any, rest: str) -> Json | None:
    if object_id is None:
        return None
    row = object_id if isinstance(object_id, dict) else bank.tables[kind].get(object_id)
    return expanded(bank, row, [rest]) if rest else row


def _from_cursor(table: Table, params: Params) -> Iterator[Json]:
    after, before = params.text("starting_after"), params.text("ending_before")
    if after and before:
        raise errors.invalid("Only one of starting_after and ending_before may be given.")
    cursor = after or before
    if cursor is None:
        return table.newest_first()
    table.get(cursor, "starting_after" if after else "ending_before")
    rows = table.newest_first() if after else table.oldest_first()
    return _behind(rows, cursor)


def _behind(rows: Iterator[Json], cursor: str) -> Iterator[Json]:
    for row in rows:
        if row["id"] == cursor:
            break
    yield from rows


def _created(params: Params) -> Callable[[int], bool]:
    if not isinstance(params.values.get("created"), dict):
        exact = params.integer("created", least=0, most=2**40)
        return lambda created: exact is None or created == exact
    given = params.nested("created").only(BOUNDS)
    bounds = [(BOUNDS[n], given.integer(n, least=0, most=2**40) or 0) for n in given.values]
    return lambda created: all(holds(created, bound) for holds, bound in bounds)
