"""Queues: what they hold, and their pause."""

from typing import cast

from django.db.models import QuerySet
from django.http import HttpRequest

from celeriac.console.dialogs import Button, UntilForm, with_buttons
from celeriac.console.readonly import ReadOnlyAdmin
from celeriac.console.sites import register
from celeriac.console.theme import ActionVariant, display
from celeriac.jobs.models import Queue, Worker
from celeriac.jobs.models.queue import QueueQuerySet
from celeriac.jobs.operating import operate_queues, selectors
from celeriac.jobs.phrases import waits

#: Who may be missing, the graver first.
NOBODY = ("no dispatcher", "no worker")


@register(Queue)
@with_buttons(
    Button(
        name="pause",
        title="Let nothing of this queue start",
        permission="celeriac_jobs.pause_queue",
        service=operate_queues.pause_queue,
        done="Paused.",
        form=UntilForm,
        variant=ActionVariant.WARNING,
    ),
    Button(
        name="resume",
        title="Let this queue's jobs start again",
        permission="celeriac_jobs.pause_queue",
        service=operate_queues.resume_queue,
        done="Resumed.",
    ),
)
class QueueAdmin(ReadOnlyAdmin):
    """Declared queues; pausing stops new runs at once, what runs goes on."""

    list_display = (
        "name",
        "status",
        "held",
        "circuits",
        "paused_until",
        "pause_reason",
        "holder_name",
    )
    search_fields = ("name",)
    ordering = ("name",)
    fields = (
        "name",
        "status",
        "held",
        "circuits",
        "paused_at",
        "paused_until",
        "paused_by",
        "pause_reason",
        "window",
        "holder_name",
        "lease_until",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        """Return the queues; their depths are counted once a page."""
        self._depths = {depth.queue: depth for depth in selectors.queue_depths()}
        self._served = {queue for worker in Worker.objects.living() for queue in worker.queues}
        return cast("QueueQuerySet", super().get_queryset(request)).with_state()

    @display(
        description="state",
        label={
            "paused": "warning",
            "open": "success",
            **dict.fromkeys((f"{who}, jobs wait" for who in NOBODY), "danger"),
            **dict.fromkeys(NOBODY, "warning"),
        },
    )
    def status(self, queue: Queue) -> str:
        """Whether jobs may start, and whether anybody would start them."""
        depth = self._depths.get(queue.name)
        if queue.is_paused:
            return "paused"
        if queue.is_served and queue.name in self._served:
            return "open"
        nobody = NOBODY[1] if queue.is_served else NOBODY[0]
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
