"""What the shadow of plain tasks has seen: calls, starts, and what it could not note."""

from django.db import models

from celeriac.core.clock import Now


class ShadowCall(models.Model):
    """A message that was about to be published, and the transaction that it was called in."""

    id = models.BigAutoField(primary_key=True)
    task = models.TextField()
    task_id = models.TextField()
    #: Which retry of the task it is; 0 is the call itself.
    retries = models.IntegerField(db_default=0)
    called_at = models.DateTimeField(db_default=Now())
    eta = models.DateTimeField(null=True, blank=True)
    #: Where it was called: the project's own line.
    site = models.TextField(db_default="", blank=True)
    args_bytes = models.IntegerField(null=True, blank=True)
    #: PostgreSQL's number of the open transaction, and whether a savepoint lay above it.
    xid = models.BigIntegerField(null=True, blank=True)
    in_savepoint = models.BooleanField(db_default=False)
    #: What became of the transaction, as far as the caller's process lived to say it.
    committed = models.BooleanField(null=True, blank=True)
    #: Whether it was only promised, to be sent after the commit.
    promised = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["task", "called_at"], name="celeriac_shadowcall_task"),
            models.Index(fields=["task_id", "retries"], name="celeriac_shadowcall_id"),
            models.Index(fields=["called_at"], name="celeriac_shadowcall_at"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.task_id}"


class ShadowRun(models.Model):
    """A start of a plain task, and its end."""

    id = models.UUIDField(primary_key=True)
    task = models.TextField()
    task_id = models.TextField()
    retries = models.IntegerField(db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    #: How the caller's transaction stood then: PostgreSQL's word, "" where there was none.
    transaction = models.TextField(db_default="", blank=True)
    host = models.TextField()
    pid = models.IntegerField()
    ended_at = models.DateTimeField(null=True, blank=True)
    #: Celery's state of the end; "REVOKED" is a message that was thrown away, as its sender said.
    outcome = models.TextField(db_default="", blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["task", "started_at"], name="celeriac_shadowrun_task"),
            models.Index(fields=["task_id", "retries"], name="celeriac_shadowrun_id"),
            models.Index(fields=["started_at"], name="celeriac_shadowrun_at"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.task_id}"


class ShadowGap(models.Model):
    """Notes of one process that were lost: what the shadow says of this time is not all."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    host = models.TextField()
    pid = models.IntegerField()
    notes = models.IntegerField()
    why = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["at"], name="celeriac_shadowgap_at")]

    def __str__(self) -> str:
        return f"{self.notes} of {self.host}/{self.pid}"
