"""The caller's promise of uniqueness: one key, one job."""

from django.db import models

from celeriac.core.clock import Now


class JobKey(models.Model):
    """An idempotency key within a scope: an account, a tenant or `job:<id>`."""

    scope = models.TextField(blank=True)
    key = models.TextField()
    job_id = models.UUIDField(db_index=True)
    hash = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="celeriac_jobkey_once", fields=["scope", "key"])
        ]

    def __str__(self) -> str:
        return f"{self.scope}/{self.key}"
