"""Admin pages that write: each change leaves an audit row besides Django's own log."""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from apps.core import audit


class Audited:
    """Put before ModelAdmin: whatever its forms add, change or delete is written down."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:  # noqa: ANN401 admin's
        """Write down what was added, and by whom."""
        self._record("create", request, obj, message)
        return super().log_addition(request, obj, message)  # type: ignore[misc]  # ModelAdmin's

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:  # noqa: ANN401 admin's
        """Write down what was changed, and by whom."""
        self._record("change", request, obj, message)
        return super().log_change(request, obj, message)  # type: ignore[misc]  # ModelAdmin's

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:  # noqa: ANN401 admin's
        """Write down each that will be deleted, and by whom."""
        for obj in queryset:
            self._record("delete", request, obj, "")
        return super().log_deletions(request, queryset)  # type: ignore[misc]  # ModelAdmin's

    def audited_facts(self, obj: Any) -> dict[str, Any]:  # noqa: ANN401 any model
        """Return what else to write down of a row as it is now."""
        return {}

    def _record(self, verb: str, request: HttpRequest, obj: Model, message: Any) -> None:  # noqa: ANN401 admin's
        name = obj._meta.model_name or ""
        audit.record(
            verb=f"{name}.{verb}",
            target_type=name,
            target_id=str(obj.pk)[:128],
            actor=request.user,
            details={"name": str(obj)[:500], "changes": message, **self.audited_facts(obj)},
        )
