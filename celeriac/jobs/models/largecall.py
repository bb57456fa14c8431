"""Arguments that are too large for a job's row, or that its JSON would change."""

from django.db import models


class LargeCall(models.Model):
    """The arguments of one job, word for word; they are deleted with it."""

    job_id = models.UUIDField(primary_key=True)
    text = models.TextField()

    def __str__(self) -> str:
        return str(self.job_id)
