"""Workers: who lives, and what they hold."""

from datetime import timedelta

from django.conf import settings
from django.contrib import admin
from unfold.decorators import display

from apps.core import clock
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

    @display(description="state", label={"alive": "success", "silent": "danger", "stopped": "info"})
    def standing(self, worker: Worker) -> str:
        """Whether its heartbeat is fresh."""
        if worker.stopped_at is not None:
            return "stopped"
        lease = timedelta(seconds=settings.JOBS_WORKER_LEASE_SECONDS)
        return "alive" if worker.beat_at > clock.read() - lease else "silent"

    @display(description="claims held")
    def holds(self, worker: Worker) -> int:
        """How many doorbells its children work on."""
        return len(worker.claims)
