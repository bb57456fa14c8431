"""Workers: who lives, and what they hold."""

from typing import cast

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from celeriac.console.readonly import ReadOnlyAdmin
from celeriac.console.sites import register
from celeriac.console.theme import display
from celeriac.jobs.models import Job, Worker
from celeriac.jobs.models.worker import WorkerQuerySet


@register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """One row for each instance of a worker."""

    list_display = ("name", "status", "beat_at", "queues", "slots", "holds", "started_at", "pid")
    search_fields = ("name", "host")
    ordering = ("-beat_at",)
    fields = (
        "id",
        "name",
        "status",
        "host",
        "pid",
        "queues",
        "slots",
        "kinds",
        "run_times",
        "holds",
        "started_at",
        "beat_at",
        "stopped_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        """Return the workers, each with whether it lives."""
        found = cast("WorkerQuerySet", super().get_queryset(request)).with_life()
        running = Job.objects.running().filter(worker=OuterRef("pk"))
        return found.annotate(holds_jobs=Exists(running))

    @display(
        description="state",
        label={"alive": "success", "silent": "danger", "gone": "info", "stopped": "info"},
    )
    def status(self, worker: Worker) -> str:
        """Whether its heartbeat is fresh; `gone` is one that died, whose jobs were taken back."""
        if worker.stopped_at is not None:
            return "stopped"
        if worker.lives:
            return "alive"
        return "silent" if worker.holds_jobs else "gone"  # type: ignore[attr-defined]  # likewise

    @display(description="claims held")
    def holds(self, worker: Worker) -> int:
        """How many doorbells its children work on; of one that died: none, once they are back."""
        over = self.status(worker) in ("gone", "stopped")
        return 0 if over else len(worker.claims)
