"""What providers told us, and where their books and ours disagree."""

from django.contrib import admin
from django.http import HttpRequest

from apps.payments import services
from apps.payments.models import Difference, WebhookEvent
from celeriac import ReadOnlyAdmin, confirmed_action


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """Events as they came."""

    list_display = ("event_id", "name", "object_id", "received_at", "processed_at", "result")
    list_filter = ("name", "received_at", ("processed_at", admin.EmptyFieldListFilter))
    finds = ("pk", "event_id", "object_id")
    indexed_filters = ("processed_at__isempty",)
    search_help_text = "An event's id, or the id of what it is about"


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdmin):
    """Differences, until somebody closes them."""

    list_display = ("kind", "reference", "provider_id", "found_at", "seen_at", "closed_at")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter), "found_at")
    list_select_related = ("payment", "closed_by")
    finds = ("pk", "payment_id", "reference", "provider_id")
    indexed_filters = ("closed_at__isempty",)
    search_help_text = "A payment's id, our reference, or the provider's id"
    actions = ("close",)

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Whether the user may close differences."""
        return request.user.has_perm("payments.close_difference")

    close = confirmed_action(
        description="Close the chosen differences",
        permissions=["close"],
        title="Close differences",
        done="Closed",
        service=lambda difference, **said: services.difference_close(
            difference_id=difference.id, **said
        ),
    )
