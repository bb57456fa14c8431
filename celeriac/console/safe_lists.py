"""Lists of the admin, asked in words that no column takes: bad input is told, never our error."""

import logging
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError
from django.http import HttpRequest

from celeriac.console.paginating import InfinitePaginator

logger = logging.getLogger(__name__)

#: What columns and the database say of a value that they can't take.
_REFUSALS = (DataError, ValidationError, ValueError, TypeError, LookupError, OverflowError)


class SafeListAdmin:
    """Put before ModelAdmin: what was typed into a list's address or form may be anything.

    Nobody counts the rows of such a list.
    """

    paginator = InfinitePaginator
    show_full_result_count = False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list with its rows read; an odd address leads back to the whole list."""
        try:
            found = super().get_changelist_instance(request)  # type: ignore[misc]  # ModelAdmin's
            len(found.result_list)  # a page's rows: what can't be asked for is known only now
        except _REFUSALS as error:
            if not request.GET:
                raise
            logger.info("a list was asked for what no column takes: %s", error)
            messages.error(request, "No column takes what the address asks for: this is the list.")
            raise IncorrectLookupParameters from error
        return found

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Apply an action; rows that can't be are a bad request."""
        key: Any = self.model._meta.pk  # type: ignore[attr-defined]  # ModelAdmin's
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                key.to_python(chosen)
            except ValidationError as error:
                raise BadRequest("What was chosen names no row.") from error
            if "\x00" in chosen:
                raise BadRequest("What was chosen names no row.")
        return super().response_action(request, queryset)  # type: ignore[misc]  # ModelAdmin's
