"""Admin pages that show and do not write: services own the fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from unfold import decorators
from unfold.admin import ModelAdmin, TabularInline

from apps.core.errors import CeleriacError


def action[F: Callable[..., Any]](
    *, description: str, permissions: Sequence[str], url_path: str | None = None
) -> Callable[[F], F]:
    """Declare an admin action: unfold's decorator, with types."""
    declare: Callable[[F], F] = decorators.action(
        description=description, permissions=permissions, url_path=url_path
    )
    return declare


def display[F: Callable[..., Any]](
    *, description: str, ordering: str | None = None, label: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Declare a column: unfold's decorator, with types; `label` maps values to colours."""
    declare: Callable[[F], F] = decorators.display(
        description=description, ordering=ordering, label=label
    )
    return declare


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Lists and shows; changes go through actions, each of them an audited service call."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401 any model
        """Nobody writes fields here; actions check their own permission."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401 any model
        """Nobody deletes rows here."""
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # unfold ships no types
    """Rows of another model, shown under the one they belong to."""

    extra = 0
    can_delete = False
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401 any model
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401 any model
        """Nobody writes fields here."""
        return False


def apply_to_each(
    request: HttpRequest, rows: Iterable[Any], done: str, service: Callable[[Any], object]
) -> None:
    """Call `service` for each row and tell the operator how many went through, and why not."""
    count = 0
    for row in rows:
        try:
            service(row)
            count += 1
        except CeleriacError as error:
            messages.warning(request, error.message)
    messages.success(request, f"{done}: {count}.")
