"""Where the gateway keeps its objects: ordered, bounded, journalled, indexed by metadata."""

from collections.abc import Iterator
from typing import Any

from sandbox.common.journal import Journal
from sandbox.gateway import errors

type Json = dict[str, Any]

MAX_ROWS = 100_000


class Table:
    """Objects of one kind by id, in the order of their creation.

    Objects are never changed in place: a change puts a new one, so that what was handed out
    (event snapshots) stays as it was.
    """

    def __init__(self, kind: str, journal: Journal, limit: int = MAX_ROWS) -> None:
        self.kind = kind
        self._journal = journal
        self._limit = limit
        self._rows: dict[str, Json] = {}
        self._by_metadata: dict[tuple[str, str], dict[str, None]] = {}

    def put(self, row: Json) -> Json:
        """Add or replace an object and return it."""
        self.restore(row)
        self._journal.append({"table": self.kind, "row": row})
        return row

    def restore(self, row: Json) -> None:
        """Add or replace an object that the journal already has."""
        self._forget_metadata(self._rows.get(row["id"]))
        self._rows[row["id"]] = row
        for pair in row.get("metadata", {}).items():
            self._by_metadata.setdefault(pair, {})[row["id"]] = None
        if len(self._rows) > self._limit:
            self._forget_metadata(self._rows.pop(next(iter(self._rows))))

    def get(self, object_id: str, param: str = "id") -> Json:
        """Return an object; raises ApiError (404)."""
        row = self._rows.get(object_id)
        if row is None:
            raise errors.missing(self.kind, object_id, param)
        return row

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def oldest_first(self) -> Iterator[Json]:
        """Yield all objects in order of creation."""
        yield from self._rows.values()

    def newest_first(self) -> Iterator[Json]:
        """Yield all objects, the latest created first."""
        yield from reversed(self._rows.values())

    def with_metadata(self, key: str, value: str) -> Iterator[Json]:
        """Yield the objects whose metadata has the value, the latest created first."""
        ids = self._by_metadata.get((key, value), {})
        yield from sorted((self._rows[i] for i in ids), key=lambda r: r["created"], reverse=True)

    def clear(self) -> None:
        """Forget all objects."""
        self._rows.clear()
        self._by_metadata.clear()

    def _forget_metadata(self, row: Json | None) -> None:
        for pair in row.get("metadata", {}).items() if row else ():
            ids = self._by_metadata.get(pair, {})
            ids.pop(row["id"] if row else "", None)
            if not ids:
                self._by_metadata.pop(pair, None)
