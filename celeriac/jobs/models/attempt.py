"""A run worth remembering: any that did not simply succeed at the first go."""

from django.db import models

from celeriac.core.ids import UUID7
from celeriac.jobs.models.job import Job


class Attempt(models.Model):
    """One run of a job, written once, when it ended."""

    id = models.UUIDField(primary_key=True, db_default=UUID7(), editable=False)
    number = models.PositiveIntegerField()
    outcome = models.TextField()
    worker = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    error_class = models.TextField(db_default="", blank=True)
    message = models.TextField(db_default="", blank=True)
    traceback = models.TextField(db_default="", blank=True)
    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="attempts", db_constraint=False, db_index=False
    )

    class Meta:
        ordering = ["job_id", "number", "id"]
        indexes = [models.Index(fields=["job", "number"], name="celeriac_attempt_job")]

    def __str__(self) -> str:
        return f"run {self.number} of {self.job_id}: {self.outcome}"
