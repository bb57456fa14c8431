"""Admin pages that show and do not write: services own the fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator

from celeriac.console import theme
from celeriac.console.dashboard.links import page_link
from celeriac.console.large_tables import LargeTableAdmin
from celeriac.console.theme import TabularInline
from celeriac.core.errors import CeleriacError

#: How links look; unfold knows no look of its own for those within a table.
LINK = "text-primary-600 dark:text-primary-500"
#: Characters of a long text that a list shows.
MOST_LISTED = 160


def action[F: Callable[..., Any]](
    *, description: str, permissions: Sequence[str], url_path: str | None = None
) -> Callable[[F], F]:
    """Declare an admin action: unfold's decorator, with types."""
    declare: Callable[[F], F] = theme.action(
        description=description, permissions=permissions, url_path=url_path
    )
    return declare


def display[F: Callable[..., Any]](
    *, description: str, ordering: str | None = None, label: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Declare a column: unfold's decorator, with types; `label` maps values to colours."""
    declare: Callable[[F], F] = theme.display(
        description=description, ordering=ordering, label=label
    )
    return declare


class RedactedAdmin:
    """Put before ModelAdmin: what is redacted on its pages can't be guessed through addresses.

    The admin takes any lookup on a model's own columns out of the address
    (`?args__card__startswith=4`), so that rows would answer letter by letter.
    """

    #: Columns that no address may ask about.
    redacted_columns: tuple[str, ...] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse lookups on what is redacted."""
        if lookup.partition("__")[0] in self.redacted_columns:
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]  # ModelAdmin's
        return allowed


class NoManualEdits:
    """Put before ModelAdmin or an inline: nothing is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody writes fields here; actions check their own permission."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(NoManualEdits, RedactedAdmin, LargeTableAdmin):
    """Lists and shows; changes go through actions, each of them an audited service call."""

    list_per_page = 50


class ReadOnlyInline(NoManualEdits, TabularInline):  # type: ignore[misc]  # unfold ships no types
    """Rows of another model, shown under the one they belong to."""

    extra = 0
    tab = True


def uuid_or_404(text: str) -> UUID:
    """Return the id that an address bears.

    Raises:
        Http404: the text is none.
    """
    try:
        return UUID(unquote(text))
    except ValueError as error:
        raise Http404(f"{text!r} is no id.") from error


def row_link(model: type[Model], key: Any) -> str:
    """Return a link to the page of one row, which says its key."""
    return format_html('<a class="{}" href="{}">{}</a>', LINK, page_link(model, key), key)


def clip_text(text: str) -> str:
    """Return the beginning of a text for a list's cell, wide enough to be read on a phone."""
    if not text:
        return "-"
    return format_html('<span class="cell-text">{}</span>', Truncator(text).chars(MOST_LISTED))


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
    if count:
        messages.success(request, f"{done}: {count}.")
