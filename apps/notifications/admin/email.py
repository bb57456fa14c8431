"""Emails, and who gets none, in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.notifications import services
from apps.notifications.admin.forms import SuppressionForm
from apps.notifications.models import Email, Suppression
from celeriac import LargeTableAdmin, ReadOnlyAdmin, confirmed_action, display


@admin.register(Email)
class EmailAdmin(ReadOnlyAdmin):
    """Emails, and sending refused ones again."""

    list_display = (
        "recipient",
        "template",
        "shown_state",
        "message_class",
        "resends_after_unknown",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "message_class", "template", "created_at")
    finds = ("pk", "recipient__lower__startswith", "message_id__startswith", "reference")
    indexed_filters = ("state__exact",)
    search_help_text = "An id, an address or a Message-ID or its beginning, or what it is about"
    actions = ("resend",)

    @display(
        description="state",
        ordering="state",
        label={
            "queued": "info",
            "sending": "info",
            "accepted": "success",
            "failed": "danger",
            "unknown": "warning",
            "suppressed": "warning",
        },
    )
    def shown_state(self, email: Email) -> str:
        """The state as a label."""
        return email.state

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send mail again."""
        return request.user.has_perm("notifications.resend_email")

    resend = confirmed_action(
        description="Send the chosen emails again",
        permissions=["resend"],
        title="Send emails again",
        done="Queued again",
        service=lambda email, **said: services.email_requeue(email_id=email.id, **said),
    )


@admin.register(Suppression)
class SuppressionAdmin(LargeTableAdmin):
    """The suppression list: adding and taking off, through services."""

    list_display = ("address", "reason", "note", "created_at", "created_by")
    list_filter = ("reason", "created_at")
    list_select_related = ("created_by",)
    finds = ("pk", "address__lower")
    search_help_text = "An address, as it is written"
    form = SuppressionForm
    fields = ("address", "reason", "note")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A row is added or removed, never changed."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Add through the service, which writes it down."""
        row = services.suppress(
            address=obj.address, reason=obj.reason, note=obj.note, actor=request.user
        )
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        """Take off through the service, which writes it down."""
        services.unsuppress(address=obj.address, actor=request.user, note="in the admin")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        """Take each off through the service."""
        for row in queryset:
            self.delete_model(request, row)
