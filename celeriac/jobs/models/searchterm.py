"""What a job is found by: one row for each value of an argument that its kind names."""

from django.db import models


class SearchTerm(models.Model):
    """A searchable value of a job. It stands apart, so that other jobs pay nothing for it."""

    job_id = models.UUIDField()
    field = models.TextField()
    value = models.TextField()

    class Meta:
        indexes = [
            models.Index("value", models.F("job_id").desc(), name="celeriac_searchterm_value"),
            models.Index("job_id", name="celeriac_searchterm_job"),
        ]

    def __str__(self) -> str:
        return f"{self.field}={self.value}"
