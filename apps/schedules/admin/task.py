"""Periodic tasks: what they run, when, by which policy, and what became of each tick."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django_celery_beat.models import PeriodicTask
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from apps.core import audit, clock
from apps.core.errors import CeleriacError
from apps.core.readonly import ReadOnlyInline
from apps.schedules import operate, selectors
from apps.schedules.admin.forms import BackfillForm, PauseForm, PeriodicTaskForm, ReasonForm
from apps.schedules.admin.permissions import Permitted
from apps.schedules.admin.preview import preview_of
from apps.schedules.admin.times import COLOURS, job_link
from apps.schedules.definition import RELATED, zone_of
from apps.schedules.models import Policy, Tick

#: Ticks on a schedule's page; all of them are in the list of ticks.
LATEST = 50
_STATES = {"enabled": "success", "paused": "warning", "disabled": "info", "ended": "info"}

if admin.site.is_registered(PeriodicTask):  # by django-celery-beat, without validation
    admin.site.unregister(PeriodicTask)


class TickInline(ReadOnlyInline):
    """The latest ticks."""

    model = Tick
    verbose_name_plural = f"ticks (latest {LATEST})"
    fields = readonly_fields = ("scheduled_for", "shown_status", "reason", "shown_job", "source",
                                "missed_before")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tick]:
        """Return the latest rows of the schedule on this page."""
        found: QuerySet[Tick] = super().get_queryset(request)
        match = request.resolver_match
        pk = unquote(match.kwargs.get("object_id", "0")) if match else "0"
        latest = Tick.objects.filter(periodic_task_id=pk).order_by("-scheduled_for")
        ids = list(latest.values_list("pk", flat=True)[:LATEST])
        return found.filter(pk__in=ids).order_by("-scheduled_for")

    @display(description="status", label=COLOURS)
    def shown_status(self, tick: Tick) -> str:
        """The status as a label."""
        return tick.status

    @display(description="job")
    def shown_job(self, tick: Tick) -> Any:  # noqa: ANN401 safe text
        """The job, linked."""
        return job_link(tick)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(Permitted, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Schedules."""

    form = PeriodicTaskForm
    list_display = ("name", "task", "shown_schedule", "shown_state", "next_fire", "last_tick",
                    "fault")  # fmt: skip
    list_filter = ("enabled", "policy__misfire", "policy__overlap")
    list_per_page = 50
    search_fields = ("name", "task")
    search_help_text = "A schedule's name, or a kind"
    readonly_fields = ("next_fires", "pause_note", "last_run_at", "total_run_count")
    fieldsets = (
        (None, {"fields": ("name", "task", "kwargs", "enabled", "description")}),
        (
            "When",
            {
                "fields": (
                    ("crontab", "interval"),
                    ("clocked", "solar"),
                    ("start_time", "expires"),
                    "one_off",
                    "next_fires",
                )
            },
        ),
        (
            "Policy",
            {
                "fields": (
                    ("misfire", "misfire_grace", "misfire_limit"),
                    ("overlap", "deadline", "jitter"),
                    "pause_note",
                )
            },
        ),
        ("Job", {"fields": (("queue", "priority"), "args", "expire_seconds")}),
        ("So far", {"fields": (("last_run_at", "total_run_count"),)}),
    )
    inlines = (TickInline,)
    actions_detail = ("pause", "resume", "run_now", "backfill")

    class Media:
        js = ("schedules/preview.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """Read the policy, the schedule and the latest tick along."""
        latest = Tick.objects.filter(periodic_task=OuterRef("pk")).order_by("-scheduled_for")
        found: QuerySet[PeriodicTask] = super().get_queryset(request)
        whole: QuerySet[PeriodicTask] = found.select_related("policy", *RELATED).annotate(
            last_tick_at=Subquery(latest.values("scheduled_for")[:1]),
            last_tick_status=Subquery(latest.values("status")[:1]),
        )
        return whole

    def get_urls(self) -> list[URLPattern]:
        """Add the preview."""
        view = self.admin_site.admin_view(self.preview)
        own = [path("preview/", view, name="schedules_preview")]
        return [*own, *super().get_urls()]

    def save_model(
        self, request: HttpRequest, obj: PeriodicTask, form: PeriodicTaskForm, change: bool
    ) -> None:
        """Save the task and its policy, and who did it."""
        super().save_model(request, obj, form, change)
        Policy.objects.filter(pk=obj.pk).update(**form.policy_values())
        audit.record(
            verb="schedule.change" if change else "schedule.create",
            target_type="schedule",
            target_id=obj.name[:128],
            actor=request.user,
            details={"changed": form.changed_data},
        )

    def delete_model(self, request: HttpRequest, obj: PeriodicTask) -> None:
        """Delete a task, and write down who did."""
        audit.record(
            verb="schedule.delete",
            target_type="schedule",
            target_id=obj.name[:128],
            actor=request.user,
        )
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Delete one by one, so that each leaves its audit row."""
        for task in queryset:
            self.delete_model(request, task)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what the form as it stands would fire next."""
        if request.method != "POST" or not self.has_view_permission(request):
            return HttpResponse(status=403)
        task = PeriodicTask.objects.filter(pk=request.POST.get("_task") or None).first()
        form = self.get_form(request, task, change=task is not None)(request.POST, instance=task)
        return JsonResponse(preview_of(form))

    @display(description="schedule")
    def shown_schedule(self, task: PeriodicTask) -> str:
        """When, in words."""
        return str(task.scheduler)

    @display(description="state", label=_STATES)
    def shown_state(self, task: PeriodicTask) -> str:
        """How it stands."""
        return selectors.state_of(task, clock.read())

    @display(description="next, in its zone")
    def next_fire(self, task: PeriodicTask) -> str:
        """The next tick."""
        policy: Policy | None = getattr(task, "policy", None)
        return _shown(policy.next_fire_at if policy else None, task)

    @display(description="last tick")
    def last_tick(self, task: PeriodicTask) -> str:
        """The last tick, and what became of it."""
        moment: datetime | None = getattr(task, "last_tick_at", None)
        return f"{_shown(moment, task)} {getattr(task, 'last_tick_status', None) or ''}".strip()

    @display(description="fault")
    def fault(self, task: PeriodicTask) -> str:
        """Why it can't fire."""
        return selectors.fault_of(task)

    @display(description="next ten")
    def next_fires(self, task: PeriodicTask | None) -> Any:  # noqa: ANN401 safe text
        """Filled by preview.js as the form is edited."""
        return format_html(
            '<div id="schedule-preview" data-url="{}" data-task="{}" aria-live="polite">'
            "Choose a schedule.</div>",
            reverse("admin:schedules_preview"),
            task.pk if task and task.pk else "",
        )

    @display(description="pause")
    def pause_note(self, task: PeriodicTask | None) -> str:
        """Who paused it, why, until when."""
        policy: Policy | None = getattr(task, "policy", None)
        if policy is None or policy.paused_at is None:
            return "not paused"
        until = f", until {policy.paused_until:%Y-%m-%d %H:%M} UTC" if policy.paused_until else ""
        return f"by {policy.paused_by}: {policy.pause_reason}{until}"

    @action(
        description="Pause",
        permissions=["pause"],
        variant=ActionVariant.WARNING,
        url_path="pause",
        dialog={"title": "Let no tick fire", "form_class": PauseForm},
    )
    def pause(self, request: HttpRequest, form: PauseForm, object_id: str) -> HttpResponse:
        """Pause the schedule."""
        reason, until = form.cleaned_data["reason"], form.until
        return self._do(
            request,
            object_id,
            lambda pk: operate.pause(pk, reason=reason, actor=request.user, until=until),
            "Paused.",
        )

    @action(
        description="Resume",
        permissions=["pause"],
        url_path="resume",
        dialog={"title": "Let ticks fire again", "form_class": ReasonForm},
    )
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Resume the schedule."""
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda pk: operate.resume(pk, actor=request.user, reason=reason),
            "Resumed.",
        )

    @action(
        description="Run now",
        permissions=["run"],
        url_path="run-now",
        dialog={"title": "Run its job once more, now", "form_class": ReasonForm},
    )
    def run_now(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Run the job now."""
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda pk: operate.run_now(pk, actor=request.user, reason=reason),
            "One job was enqueued.",
        )

    @action(
        description="Backfill",
        permissions=["backfill"],
        url_path="backfill",
        dialog={"title": "Run past ticks that did not run", "form_class": BackfillForm},
    )
    def backfill(self, request: HttpRequest, form: BackfillForm, object_id: str) -> HttpResponse:
        """Run a stretch of the past."""
        task = PeriodicTask.objects.select_related("crontab").get(pk=unquote(object_id))
        zone = ZoneInfo(zone_of(task))
        start, end = (form.cleaned_data[key].replace(tzinfo=zone) for key in ("start", "end"))
        reason = form.cleaned_data["reason"]
        return self._do(
            request,
            object_id,
            lambda pk: operate.backfill(
                pk, start=start, end=end, actor=request.user, reason=reason
            ),
            "Backfilled; its ticks are below.",
        )

    def _do(
        self, request: HttpRequest, object_id: str, verb: Callable[[int], object], done: str
    ) -> HttpResponse:
        pk = int(unquote(object_id))
        try:
            verb(pk)
        except CeleriacError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, done)
        url = reverse("admin:django_celery_beat_periodictask_change", args=[pk])
        if request.headers.get("HX-Request"):  # the dialog posts by htmx
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


def _shown(moment: datetime | None, task: PeriodicTask) -> str:
    if moment is None:
        return "-"
    return f"{moment.astimezone(ZoneInfo(zone_of(task))):%a %Y-%m-%d %H:%M:%S %Z}"
