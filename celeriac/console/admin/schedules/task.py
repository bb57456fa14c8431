"""Periodic tasks: what they run, when, by which policy, and what became of each tick."""

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django_celery_beat.models import PeriodicTask

from celeriac.console.admin.schedules.actions import BUTTONS, key_of
from celeriac.console.admin.schedules.forms import PeriodicTaskForm
from celeriac.console.admin.schedules.layout import EDITED, SHOWN
from celeriac.console.admin.schedules.preview import preview_of, saved_preview_of
from celeriac.console.admin.schedules.ticks import TickInline, in_zone
from celeriac.console.admin.schedules.timing import present_timing
from celeriac.console.audited_admin import AuditedAdmin, audited_value
from celeriac.console.dialogs import with_buttons
from celeriac.console.readonly import RedactedAdmin
from celeriac.console.sites import address, register
from celeriac.console.theme import ModelAdmin, display
from celeriac.core.clock import Now
from celeriac.schedules import selectors
from celeriac.schedules.declare import POLICY
from celeriac.schedules.definition import RELATED
from celeriac.schedules.models import Policy, Tick
from celeriac.schedules.redacted_arguments import TaskArguments
from celeriac.schedules.refresh import refresh_schedules

#: Ticks on a schedule's page; all of them are in the list of ticks.
LATEST = 50
_STATES = {"enabled": "success", "paused": "warning", "disabled": "info", "ended": "info"}


@register(PeriodicTask)
@with_buttons(*BUTTONS, key=key_of)
class PeriodicTaskAdmin(AuditedAdmin, RedactedAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Schedules."""

    form = PeriodicTaskForm
    list_display = (
        "name",
        "kind",
        "shown_schedule",
        "shown_state",
        "next_fire",
        "last_tick",
        "fault",
    )
    list_filter = ("enabled", "policy__misfire", "policy__overlap")
    list_per_page = 50
    search_fields = ("name", "task")
    search_help_text = "A schedule's name, or a kind"
    readonly_fields = (
        "arguments",
        "next_fires",
        "policy_note",
        "pause_note",
        "shown_schedule",
        "shown_kwargs",
        "shown_args",
        "last_run_at",
        "total_run_count",
    )
    redacted_columns = ("args", "kwargs", "headers")
    fieldsets = EDITED
    inlines = (TickInline,)

    class Media:
        js = ("celeriac/preview.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """Read the policy, the schedule, the latest tick and the time along."""
        latest = Tick.objects.filter(periodic_task=OuterRef("pk")).order_by("-scheduled_for")
        found: QuerySet[PeriodicTask] = super().get_queryset(request)
        whole: QuerySet[PeriodicTask] = found.select_related("policy", *RELATED).annotate(
            now=Now(),
            last_tick_at=Subquery(latest.values("scheduled_for")[:1]),
            last_tick_status=Subquery(latest.values("status")[:1]),
        )
        return whole

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview)
        own = [path("preview/", view, name="schedules_preview")]
        return [*own, *super().get_urls()]

    def save_model(
        self, request: HttpRequest, obj: PeriodicTask, form: PeriodicTaskForm, change: bool
    ) -> None:
        form.keep_when()
        super().save_model(request, obj, form, change)
        Policy.objects.filter(pk=obj.pk).update(**form.policy_values(), updated_at=Now())
        if Policy.objects.filter(pk=obj.pk).exclude(fault="").update(definition=""):
            refresh_schedules(only=[obj.pk])  # the policy may have been what was wrong

    def audited_name(self) -> str:
        """Return what the trail calls it."""
        return "schedule"

    def audited_id(self, obj: PeriodicTask) -> str:
        """Return the name: jobs, commands and the trail know a schedule by it."""
        return str(obj.name)

    def audited_facts(self, obj: PeriodicTask) -> dict[str, Any]:
        """Write down what it runs, when, by which policy; secrets redacted."""
        own = ("name", "task", "enabled", "description", "queue", "priority", "one_off")
        moments = ("start_time", "expires", "expire_seconds")
        policy = Policy.objects.filter(pk=obj.pk).values(*POLICY).first() or {}
        facts = {name: getattr(obj, name) for name in (*own, *moments)} | policy
        when = present_timing(obj) or {"solar": obj.solar}
        told = {name: audited_value(value) for name, value in (facts | when).items()}
        return told | TaskArguments.of(obj).shown()

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        """Show people who may only look what there is, in words."""
        may_edit = obj is None or self.has_change_permission(request, obj)
        return super().get_fieldsets(request, obj) if may_edit else SHOWN

    def get_inlines(self, request: HttpRequest, obj: PeriodicTask | None) -> Any:
        return self.inlines if obj else ()

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what the form as it stands would fire next."""
        pk = request.POST.get("_task", "")
        task = PeriodicTask.objects.filter(pk=pk).first() if pk.isdecimal() else None
        if request.method != "POST" or not self._may_preview(request, task):
            return HttpResponse(status=403)
        if task is not None and not self.has_change_permission(request, task):
            return JsonResponse(saved_preview_of(task))
        data = request.POST.copy()
        data["reason"] = "a preview"
        form = self.get_form(request, task, change=task is not None)(data, instance=task)
        return JsonResponse(preview_of(form))

    def _may_preview(self, request: HttpRequest, task: PeriodicTask | None) -> bool:
        if task is None:
            return bool(self.has_add_permission(request))
        return bool(self.has_view_permission(request, task))

    @display(description="kind", ordering="task")
    def kind(self, task: PeriodicTask) -> str:
        """What it runs; the column is called after Celery's word."""
        return str(task.task)

    @display(description="schedule")
    def shown_schedule(self, task: PeriodicTask) -> str:
        """When, in words."""
        if task.crontab:
            values = present_timing(task)
            return f"{values['cron']} {values['zone']}"
        return str(task.scheduler)

    @display(description="state", label=_STATES)
    def shown_state(self, task: PeriodicTask) -> str:
        """How it stands."""
        now: datetime = task.now
        return selectors.state_of(task, now)

    @display(description="next, in its zone")
    def next_fire(self, task: PeriodicTask) -> str:
        policy: Policy | None = getattr(task, "policy", None)
        return in_zone(policy.next_fire_at if policy else None, task)

    @display(description="last tick")
    def last_tick(self, task: PeriodicTask) -> str:
        """The last tick, and what became of it."""
        moment: datetime | None = getattr(task, "last_tick_at", None)
        return f"{in_zone(moment, task)} {getattr(task, 'last_tick_status', None) or ''}".strip()

    @display(description="fault")
    def fault(self, task: PeriodicTask) -> str:
        """Why it can't fire."""
        return selectors.fault_of(task)

    @display(description="It takes")
    def arguments(self, task: PeriodicTask | None) -> Any:
        """The kind's arguments, filled by preview.js."""
        return format_html('<div id="schedule-arguments" aria-live="polite">{}</div>', "-")

    @display(description="arguments")
    def shown_kwargs(self, task: PeriodicTask) -> str:
        """The arguments by name, secrets redacted."""
        return TaskArguments.of(task).shown()["kwargs"]

    @display(description="arguments by position")
    def shown_args(self, task: PeriodicTask) -> str:
        """The arguments by position, secrets redacted."""
        return TaskArguments.of(task).shown()["args"]

    @display(description="policy")
    def policy_note(self, task: PeriodicTask) -> str:
        """The policy in a sentence, for people who may only look."""
        policy: Policy | None = getattr(task, "policy", None)
        return selectors.policy_in_words(policy) if policy else "-"

    @display(description="next ten")
    def next_fires(self, task: PeriodicTask | None) -> Any:
        """Filled by preview.js as the form is edited."""
        return format_html(
            '<div id="schedule-preview" data-url="{}" data-task="{}" aria-live="polite">'
            "Choose a schedule.</div>",
            address("admin:schedules_preview"),
            task.pk if task and task.pk else "",
        )

    @display(description="pause")
    def pause_note(self, task: PeriodicTask | None) -> str:
        """Who paused it, why, until when."""
        policy: Policy | None = getattr(task, "policy", None)
        if policy is None or policy.paused_at is None:
            return "not paused"
        until = f", until {policy.paused_until:%Y-%m-%d %H:%M} UTC" if policy.paused_until else ""
        return f"by {policy.paused_by or 'somebody'}: {policy.pause_reason}{until}"
