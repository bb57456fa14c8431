"""Campaigns in the admin: write one, start it, stop it, see whom it may not have reached."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from apps.notifications import services
from apps.notifications.admin.forms import CampaignForm
from apps.notifications.models import Campaign, Recipient
from apps.notifications.selectors import campaign_counts
from celeriac import ReadOnlyAdmin, confirmed_action, display

STATES = {"running": "info", "finished": "success", "cancelled": "warning", "stalled": "danger"}
DELIVERIES = {
    "sending": "info",
    "accepted": "success",
    "failed": "danger",
    "unknown": "warning",
    "suppressed": "warning",
}
ANNOUNCEMENT = "notifications/announcement"


@admin.register(Campaign)
class CampaignAdmin(ReadOnlyAdmin):
    """Campaigns: written once, then steered by services."""

    list_display = (
        "name",
        "shown_state",
        "total",
        "rate",
        "created_by",
        "created_at",
        "started_at",
        "finished_at",
    )
    list_filter = ("state", "created_at")
    list_select_related = ("created_by",)
    finds = ("pk",)
    words = ("name",)
    actions = ("start", "cancel")
    readonly_fields = ("progress", "its_job")
    fields = (
        "name",
        "state",
        "progress",
        "its_job",
        "rate",
        "template",
        "context",
        "created_by",
        "created_at",
        "started_at",
        "finished_at",
    )

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, campaign: Campaign) -> str:
        """The state as a label."""
        return campaign.state

    @admin.display(description="recipients")
    def progress(self, campaign: Campaign) -> str:
        """How many are in each state, each with its list."""
        page = reverse("admin:notifications_recipient_changelist")
        link = '<a href="{}?campaign__id__exact={}&state={}">{} {}</a>'
        links = [
            format_html(link, page, campaign.pk, state, count, state)
            for state, count in campaign_counts(campaign.id).items()
            if count
        ]
        return format_html("{}" + ", {}" * (len(links) - 1), *links) if links else "none"

    @admin.display(description="job")
    def its_job(self, campaign: Campaign) -> str:
        """The job that sends it: its progress, and why it waits."""
        if campaign.job is None:
            return "none yet"
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:celeriac_jobs_job_change", args=[campaign.job]),
            campaign.job,
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may write campaigns."""
        return bool(request.user.has_perm("notifications.add_campaign"))

    def has_start_permission(self, request: HttpRequest) -> bool:
        """Whether the user may start campaigns."""
        return bool(request.user.has_perm("notifications.start_campaign"))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may stop campaigns."""
        return bool(request.user.has_perm("notifications.cancel_campaign"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's own fields for a new one."""
        return CampaignForm.FIELDS if obj is None else self.fields

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = CampaignForm
        return super().get_form(request, obj, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write it through the service, which writes that down."""
        values = form.cleaned_data
        written = services.campaign_create(
            name=values["name"],
            template=ANNOUNCEMENT,
            context={"subject": values["subject"], "text": values["text"]},
            recipients=values["addresses"],
            rate=values["rate"],
            actor=request.user,
        )
        obj.pk = written.pk

    start = confirmed_action(
        description="Start, or go on with, the chosen campaigns",
        permissions=["start"],
        title="Start, or go on with, campaigns",
        done="Started",
        service=lambda campaign, **said: services.campaign_start(campaign_id=campaign.id, **said),
    )

    cancel = confirmed_action(
        description="Stop the chosen campaigns",
        permissions=["cancel"],
        title="Stop campaigns",
        done="Stopped",
        service=lambda campaign, **said: services.campaign_cancel(campaign_id=campaign.id, **said),
    )


@admin.register(Recipient)
class RecipientAdmin(ReadOnlyAdmin):
    """What became of each address; filter by `unknown` for those who may have got nothing."""

    list_display = ("address", "campaign", "shown_state", "sends", "error", "finished_at")
    list_filter = ("state", "campaign")
    list_select_related = ("campaign",)
    finds = ("pk", "address__lower__startswith", "provider_id")
    indexed_filters = ("campaign__id__exact",)
    search_help_text = (
        "An address or its beginning, the left part of a Message-ID, or the provider's id"
    )

    @display(description="state", ordering="state", label=DELIVERIES)
    def shown_state(self, recipient: Recipient) -> str:
        """The state as a label."""
        return recipient.state
