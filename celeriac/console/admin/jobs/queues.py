"""Queues: what they hold, and their pause."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from celeriac.console.admin.jobs.workers import living
from celeriac.console.dialogs import PauseForm, ReasonForm, act
from celeriac.console.readonly import ReadOnlyAdmin
from celeriac.core import clock
from celeriac.jobs.models import Queue
from celeriac.jobs.operating import operate_queues, selectors
from celeriac.jobs.words import waits

#: Who may be missing, the graver first.
NOBODY = ("no dispatcher", "no worker")


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """Declared queues; pausing stops new runs at once, what runs goes on."""

    list_display = (
        *("name", "standing", "held", "circuits"),
        *("paused_until", "pause_reason", "holder_name"),
    )
    search_fields = ("name",)
    ordering = ("name",)
    actions_detail = ("pause", "resume")
    fields = (
        *(
            "name",
            "standing",
            "held",
            "circuits",
            "paused_at",
            "paused_until",
            "paused_by",
            "pause_reason",
        ),
        *("window", "holder_name", "lease_until"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        """Return the queues; their depths are counted once a page."""
        self._depths = {depth.queue: depth for depth in selectors.queue_depths()}
        self._now = clock.read()
        self._served = {queue for worker in living(self._now) for queue in worker.queues}
        found: QuerySet[Queue] = super().get_queryset(request)
        return found

    @display(
        description="state",
        label={
            "paused": "warning",
            "open": "success",
            **dict.fromkeys((f"{who}, jobs wait" for who in NOBODY), "danger"),
            **dict.fromkeys(NOBODY, "warning"),
        },
    )
    def standing(self, queue: Queue) -> str:
        """Whether jobs may start, and whether anybody would start them."""
        depth = self._depths.get(queue.name)
        if depth and depth.paused:
            return "paused"
        held = queue.lease_until is not None and queue.lease_until > self._now
        if held and queue.name in self._served:
            return "open"
        nobody = NOBODY[1] if held else NOBODY[0]
        return f"{nobody}, jobs wait" if depth and depth.waiting else nobody

    @display(description="waiting")
    def held(self, queue: Queue) -> str:
        """How many jobs wait, by view."""
        depth = self._depths.get(queue.name)
        if depth is None or not depth.waiting + depth.running:
            return "nothing"
        views = ("queued", "scheduled", "retrying", "parked", "running")
        counts = {name: getattr(depth, name) for name in views}
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)

    @display(description="circuits")
    def circuits(self, queue: Queue) -> str:
        """Which circuits hold its jobs back, until when, and how many."""
        depth = self._depths.get(queue.name)
        kept = depth.circuits if depth else []
        return "; ".join(f"{each.sentence} ({waits(each.jobs)})" for each in kept) or "-"

    def has_pause_permission(self, request: HttpRequest, object_id: Any = None) -> bool:  # noqa: ANN401 unfold's
        """Whether the user may pause and resume."""
        return request.user.has_perm("celeriac_jobs.pause_queue")

    @action(
        description="Pause",
        permissions=["pause"],
        url_path="pause",
        variant=ActionVariant.WARNING,
        dialog={"title": "Let nothing of this queue start", "form_class": PauseForm},
    )
    def pause(self, request: HttpRequest, form: PauseForm, object_id: str) -> HttpResponse:
        """Pause it."""
        return act(
            request,
            _page(object_id),
            "Paused.",
            lambda: operate_queues.pause_queue(
                unquote(object_id),
                reason=form.cleaned_data["reason"],
                until=form.until,
                actor=request.user,
            ),
        )

    @action(
        description="Resume",
        permissions=["pause"],
        url_path="resume",
        dialog={"title": "Let this queue's jobs start again", "form_class": ReasonForm},
    )
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Resume it."""
        return act(
            request,
            _page(object_id),
            "Resumed.",
            lambda: operate_queues.resume_queue(
                unquote(object_id), actor=request.user, reason=form.cleaned_data["reason"]
            ),
        )


def _page(object_id: str) -> str:
    return reverse("admin:celeriac_jobs_queue_change", args=[object_id])
