"""Results of others as arguments: read when a job runs, from the rows of those who made them.

A job's headers name them under `KEY`, by the argument that each becomes. A group's result is the
list of its members' results, in their order, `null` for a member that has none.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from celeriac.core import tables
from celeriac.core.queries import fetch_row, fetch_rows
from celeriac.jobs.nodes.states import Form, listed_states
from celeriac.jobs.outcomes import GiveUp
from celeriac.jobs.states import FAILED, State
from celeriac.settings import conf

#: Where a job's headers keep it.
KEY = "celeriac_flow"
_PAGE = 1_000

_NODE = f"""
SELECT n.form, e.payload FROM {tables.NODE} n
LEFT JOIN {tables.EMISSION} e ON e.id = n.event WHERE n.id = %(node)s
"""
_MEMBERS = f"""
WITH RECURSIVE page AS (
    SELECT j.id, j.kind, j.state, j.result, j.error, j.superseded_by FROM {tables.JOB} j
    WHERE j.node = %(node)s AND j.node IS NOT NULL AND j.id > %(after)s
      AND (NOT %(died)s OR j.state IN {listed_states(FAILED)})
    ORDER BY j.id LIMIT {_PAGE}
), ends AS (
    SELECT page.id AS member, page.* FROM page
    UNION ALL
    SELECT ends.member, j.id, j.kind, j.state, j.result, j.error, j.superseded_by
    FROM ends JOIN {tables.JOB} j ON j.id = ends.superseded_by
)
SELECT member, kind, state, result::text, error FROM ends
WHERE superseded_by IS NULL ORDER BY member
"""


def reference(node: UUID, path: str = "", *, died: bool = False) -> dict[str, Any]:
    """Return how headers name a node's result, a part of it (`a.b`), or those who died there."""
    return {"node": str(node), "path": path, "died": died}


def inputs_of(headers: str | None) -> dict[str, Any]:
    """Return what a job's headers, as JSON, say of results of others."""
    if headers is None or KEY not in headers:
        return {}
    found = json.loads(headers).get(KEY)
    return found if isinstance(found, dict) else {}


def filled_args(args: str, headers: str | None) -> str:
    """Return a job's arguments as JSON, with the results of others in their places.

    Raises:
        GiveUp: a result is not there, or they are too large together.
    """
    named: Mapping[str, Any] = inputs_of(headers).get("inputs") or {}
    if not named:
        return args
    values, budget = json.loads(args), _Budget()
    for name, given in named.items():
        values[name] = read_result(given, budget)
    return json.dumps(values)


class _Budget:
    """How many characters of results one run may still read."""

    def __init__(self) -> None:
        self.left: int = conf.MAX_FLOW_RESULT_BYTES

    def take(self, text: str) -> None:
        """Count a result."""
        self.left -= len(text)
        if self.left < 0:
            raise GiveUp(
                f"The results that it waits for take more than {conf.MAX_FLOW_RESULT_BYTES:,} "
                "bytes (CELERIAC['MAX_FLOW_RESULT_BYTES']): store the data, and let jobs return "
                "its ids."
            )


def read_result(given: Mapping[str, Any], budget: _Budget | None = None) -> Any:
    """Return what a reference stands for.

    Raises:
        GiveUp: it is not there, or too large.
    """
    node, path = UUID(given["node"]), given.get("path", "")
    budget = budget or _Budget()
    row = fetch_row(_NODE, {"node": node})
    if row is None:
        raise GiveUp(f"The group {node} is gone, and its results with it.")
    form, payload = row
    if form == Form.EVENT:
        return _part(json.loads(payload) if isinstance(payload, str) else payload, path, node)
    if given.get("died"):
        return list(_deaths(node, budget))
    results = _results(node, budget)
    found = [_part(value, path, node) if there else None for _, value, there in results]
    return found[0] if len(found) == 1 and _is_single(node) else found


def _is_single(node: UUID) -> bool:
    """Whether it is a job's own group, which bears the job's id."""
    return (
        fetch_row(f"SELECT true FROM {tables.JOB} WHERE id = %s AND node = id", [node]) is not None
    )


def _members(node: UUID, *, died: bool) -> Iterator[tuple[Any, ...]]:
    after = UUID(int=0)
    while True:
        rows = fetch_rows(_MEMBERS, {"node": node, "after": after, "died": died})
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1][0]


def _results(node: UUID, budget: _Budget) -> Iterator[tuple[UUID, Any, bool]]:
    for member, _, state, result, _ in _members(node, died=False):
        budget.take(result or "null")
        there = state == State.SUCCEEDED
        yield member, json.loads(result) if there and result else None, there


def _deaths(node: UUID, budget: _Budget) -> Iterator[dict[str, str]]:
    for member, kind, state, _, error in _members(node, died=True):
        if state in FAILED:
            budget.take(error)
            yield {"job": str(member), "kind": kind, "state": state, "error": error}


def _part(value: Any, path: str, node: UUID) -> Any:
    for name in path.split(".") if path else ():
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (KeyError, IndexError, TypeError, ValueError):
            raise GiveUp(f"The result of {node} has no {path!r}.") from None
    return value
