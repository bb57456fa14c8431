"""Which rows go when: rules that say how long rows of a model are kept."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Rows of a model go when `column` is `setting` days ago.

    They are found by an index of the column; without one (`by_key`), by a primary key that grows
    with it. `filters` says which may go at all.
    """

    model: str
    column: str
    setting: str
    by_key: bool = False
    filters: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> QuerySet[Any]:
        """Return all rows of the model."""
        found: QuerySet[Any] = apps.get_model(self.model)._default_manager.all()
        return found

    def page(self, edge: datetime, after: Any) -> QuerySet[Any]:
        """Return where to look next, the oldest first, as (primary key, column)."""
        if not self.by_key:
            rows = self.rows.filter(**{f"{self.column}__lt": edge}).order_by(self.column)
        else:
            rows = self.rows.order_by("pk")
            rows = rows if after is None else rows.filter(pk__gt=after)
        return rows.values_list("pk", self.column)

    def delete(self, ids: list[Any], edge: datetime) -> int:
        """Delete those of the rows that may go, in one transaction; return how many."""
        old = {f"{self.column}__lt": edge}
        _, counts = self.rows.filter(pk__in=ids, **old, **self.filters).delete()
        return counts.get(self.model, 0)
