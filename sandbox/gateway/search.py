"""Stripe's search language, as much of it as finding a payment by our reference needs.

`metadata['reference']:'order-1' AND status:'succeeded'`; operators `:`, `>`, `>=`, `<`, `<=`, and
a leading `-` to negate. Clauses are joined by AND.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice
from typing import Any

from sandbox.gateway import errors
from sandbox.gateway.listing import MAX_LIMIT
from sandbox.gateway.params import Params
from sandbox.gateway.tables import Json, Table

CLAUSE = re.compile(
    r"""\s*(?P<negated>-)?
    (?:metadata\[(?P<q>['"])(?P<key>[^'"]+)(?P=q)\]|(?P<field>[a-z_]+))
    (?P<operator>:|>=|<=|>|<)
    (?:(?P<r>['"])(?P<text>(?:\\.|(?!(?P=r)).)*)(?P=r)|(?P<number>\d+)|(?P<null>null))\s*""",
    re.VERBOSE,
)
FIELDS = {"status", "amount", "currency", "created", "customer", "payment_intent"}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on one field or metadata key."""

    key: str | None
    field: str
    operator: str
    value: str | None
    negated: bool

    def holds(self, row: Json) -> bool:
        """Return whether the object meets the condition."""
        actual = row.get("metadata", {}).get(self.key) if self.key else row.get(self.field)
        return self._compare(actual) is not self.negated

    def _compare(self, actual: Any) -> bool:
        if actual is None or self.value is None:
            return actual is None and self.value is None
        if self.operator == ":":
            return str(actual).lower() == self.value.lower()
        return COMPARISONS[self.operator](int(actual), int(self.value))


def parse(query: str) -> list[Clause]:
    """Return the clauses of a query; raises ApiError (400) where it can't be read."""
    clauses, rest = [], query
    while True:
        match = CLAUSE.match(rest)
        if match is None:
            raise errors.invalid(f"We were unable to parse your search query: {query}", "query")
        clauses.append(_clause(match))
        rest = rest[match.end() :]
        if not rest:
            return clauses
        if not rest.upper().startswith("AND "):
            raise errors.invalid("Clauses of a search query are joined by AND.", "query")
        rest = rest[4:]


def search(table: Table, params: Params, url: str, horizon: float) -> Json:
    """Return one page of the objects that match and were created up to the horizon."""
    params.only({"query", "limit", "page", "expand"})
    clauses = parse(params.required("query"))
    limit = params.integer("limit", least=1, most=MAX_LIMIT) or 10
    rows: Iterator[Json] = (
        row
        for row in _candidates(table, clauses)
        if row["created"] <= horizon and all(clause.holds(row) for clause in clauses)
    )
    page = params.text("page")
    if page is not None:
        rows = islice(dropwhile(lambda row: row["id"] != page, rows), 1, None)
    found = list(islice(rows, limit + 1))
    more = len(found) > limit
    return {
        "object": "search_result",
        "url": url,
        "has_more": more,
        "data": found[:limit],
        "next_page": found[limit - 1]["id"] if more else None,
    }


def _candidates(table: Table, clauses: list[Clause]) -> Iterator[Json]:
    for clause in clauses:
        exact = clause.operator == ":" and not clause.negated
        if clause.key and clause.value is not None and exact:
            return table.with_metadata(clause.key, clause.value)
    return table.newest_first()


def _clause(match: re.Match[str]) -> Clause:
    field, number = match["field"] or "", match["number"]
    if match["key"] is None and field not in FIELDS:
        raise errors.invalid(f"Field {field!r} is an unsupported search field.", "query")
    value = None if match["null"] else number or re.sub(r"\\(.)", r"\1", match["text"] or "")
    if match["operator"] != ":" and not (value or "").isdigit():
        raise errors.invalid("Only numbers are compared by size.", "query")
    return Clause(match["key"], field, match["operator"], value, bool(match["negated"]))
