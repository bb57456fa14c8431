"""What outlives the store: where each circuit stands, who forced it, and its history."""

from django.core.exceptions import ValidationError
from django.db import models

from celeriac.breakers import options as options_module
from celeriac.breakers.errors import BreakerError
from celeriac.breakers.replies import BreakerState
from celeriac.core.clock import Now
from celeriac.core.ids import UUID7
from celeriac.core.models import EditedModel


class Breaker(EditedModel):
    """One named breaker: the state that must not be lost.

    `version` numbers the circuit's moves, `edit` the operators' changes; a write
    with an older number is refused, whoever makes it.
    """

    name = models.CharField(max_length=200, primary_key=True)
    state = models.CharField(max_length=10, choices=BreakerState, db_default=BreakerState.CLOSED)
    version = models.BigIntegerField(db_default=0, editable=False)
    open_until = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())
    #: When it opened first; probes that fail do not move it. Empty while it is closed.
    opened_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: When jobs began to be let through again; the ramp counts from here.
    closed_at = models.DateTimeField(null=True, blank=True)
    #: How often it opened without having been closed for long in between.
    opened_count = models.PositiveIntegerField(db_default=0)
    last_error = models.TextField(blank=True, db_default="")
    forced = models.CharField(
        max_length=10,
        blank=True,
        db_default="",
        choices=[("open", "forced open"), ("closed", "forced closed")],
    )
    forced_until = models.DateTimeField(null=True, blank=True)
    forced_at = models.DateTimeField(null=True, blank=True)
    forced_by = models.CharField(max_length=254, blank=True, db_default="")
    forced_reason = models.TextField(blank=True, db_default="")
    edit = models.BigIntegerField(db_default=0, editable=False)
    #: What operators changed of the options in settings, such as {"min_volume": 50}.
    overrides = models.JSONField(blank=True, default=dict, db_default={})
    #: The probe's permit as the database saw it granted, which decides when the store is away.
    probe_token = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    probe_until = models.DateTimeField(null=True, blank=True, editable=False)
    #: From when the next job may be claimed during the ramp.
    ramp_next = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("force_breaker", "Can force a circuit open or closed"),
            ("clear_breaker", "Can clear a circuit"),
            ("tune_breaker", "Can change a breaker's options"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=BreakerState.values), name="celeriac_breaker_state"
            ),
            models.CheckConstraint(
                condition=models.Q(forced__in=["", "open", "closed"]),
                name="celeriac_breaker_forced",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse overrides that the breaker could not use."""
        try:
            options_module.breaker_options(self.name).using(self.overrides)
        except (BreakerError, TypeError) as error:
            raise ValidationError({"overrides": str(error)}) from error


class Transition(models.Model):
    """One move of one circuit: from where to where, by whom, and what was seen."""

    id = models.UUIDField(primary_key=True, db_default=UUID7(), editable=False)
    at = models.DateTimeField(db_default=Now())
    #: The circuit's number for this move; empty for what an operator did.
    version = models.BigIntegerField(null=True, blank=True)
    from_state = models.CharField(max_length=20)
    to_state = models.CharField(max_length=20)
    #: A process, or an operator.
    by = models.CharField(max_length=254, blank=True, db_default="")
    reason = models.TextField(blank=True, db_default="")
    calls = models.PositiveIntegerField(db_default=0)
    failures = models.PositiveIntegerField(db_default=0)
    slow = models.PositiveIntegerField(db_default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, db_default="")
    breaker = models.ForeignKey(
        Breaker, on_delete=models.CASCADE, related_name="transitions", db_constraint=False
    )

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["breaker", "version"], name="celeriac_transition_once")
        ]
        indexes = [
            models.Index(fields=["breaker", "-at"], name="celeriac_transition_history"),
            models.Index(fields=["-at", "-id"], name="celeriac_transition_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.breaker_id}: {self.from_state} → {self.to_state}"
