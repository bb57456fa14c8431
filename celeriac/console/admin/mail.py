"""Messages of Django's mail in the admin: what they say, and what became of them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from celeriac.console.readonly import ReadOnlyAdmin, display, row_link
from celeriac.jobs.models import Job
from celeriac.mail.models import Message

COLOURS = {"accepted": "success", "unknown": "warning", "refused": "danger"}


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """A list by time; neither contents of attachments nor a connection's options are shown."""

    list_display = ("subject", "shown_to", "shown_state", "sends", "created_at", "shown_job")
    list_filter = ("state",)
    ordering = ("-id",)
    redacted_columns = ("options", "contents", "body", "headers", "alternatives", "extra")
    fields = readonly_fields = (
        *("subject", "from_email", "to", "cc", "bcc", "reply_to", "message_id", "body"),
        *("shown_attachments", "shown_state", "error", "at_most_once", "fail_silently"),
        *("sends", "resends", "created_at", "accepted_at", "shown_job"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Return the rows without what is large."""
        found: QuerySet[Message] = super().get_queryset(request)
        return found.defer("contents", "alternatives", "options")

    @display(description="to")
    def shown_to(self, message: Message) -> str:
        return ", ".join(message.to[:3]) + (" …" if len(message.to) > 3 else "")

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, message: Message) -> str:
        return message.state

    @display(description="attachments")
    def shown_attachments(self, message: Message) -> str:
        """Names and types."""
        named = [
            f"{each.get('name') or each['form']} ({each.get('type', '-')})"
            for each in message.attachments
        ]
        return ", ".join(named) or "-"

    @display(description="job")
    def shown_job(self, message: Message) -> Any:
        return row_link(Job, message.job_id)
