"""What handlers of tests leave behind."""

from django.db import models

from celeriac.core.clock import Now


class Effect(models.Model):
    """One effect of one run."""

    name = models.TextField()
    value = models.TextField(db_default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "test_effect"

    def __str__(self) -> str:
        return self.name
