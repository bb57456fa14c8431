"""Workers: who lives, and what they hold."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.clock import Now
from apps.core.readonly import ReadOnlyAdmin
from apps.jobs.models import Worker


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """One row for each boot of a worker."""

    list_display = ("name", "standing", "beat_at", "queues", "slots", "holds", "started_at", "pid")
    search_fields = ("name", "host")
    ordering = ("-beat_at",)
    fields = (
        *("id", "name", "standing", "host", "pid", "queues", "slots", "kinds", "run_times"),
        *("holds", "started_at", "beat_at", "stopped_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        """Return the workers, each with the time by which its heartbeat is judged."""
        found: QuerySet[Worker] = super().get_queryset(request)
        return found.annotate(now=Now())

    @display(description="state", label={"alive": "success", "silent": "danger", "stopped": "info"})
    def standing(self, worker: Worker) -> str:
        """Whether its heartbeat is fresh."""
        if worker.stopped_at is not None:
            return "stopped"
        lease = timedelta(seconds=settings.JOBS_WORKER_LEASE_SECONDS)
        now: datetime = worker.now  # type: ignore[attr-defined]  # see get_queryset
        return "alive" if worker.beat_at > now - lease else "silent"

    @display(description="claims held")
    def holds(self, worker: Worker) -> int:
        """How many doorbells its children work on."""
        return len(worker.claims)
