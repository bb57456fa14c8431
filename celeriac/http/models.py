"""Service accounts: programs that may use the HTTP API, and what each may do there."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from celeriac.core.clock import Now
from celeriac.core.models import EditedModel
from celeriac.jobs.callbacks import sql as callbacks
from celeriac.jobs.models.job import ACCOUNT
from celeriac.jobs.operating.actions import ACTIONS

#: The permission that a person needs for what a program may do to jobs.
ACTED = {action.name: action.permission for action in ACTIONS.values() if action.over_http}
#: What a grant may allow. `read` covers an account's own jobs and what stands around them.
VERBS = ("enqueue", "read", *sorted(ACTED))

#: Kinds that only the ledger enqueues, whatever a grant says: what a callback tells is signed in
#: our name, so that nobody may choose its words.
SEALED = frozenset({callbacks.KIND})

_NAME = RegexValidator(r"\A[a-z0-9][a-z0-9._-]*\Z", "Small letters, digits, dots, _ and - only.")
_PATTERN = RegexValidator(
    r"\A(\*|[A-Za-z0-9_.:-]+\*?)\Z", "A name, or the beginning of names and an asterisk."
)


class ServiceAccount(EditedModel):
    """A program that may call the API. Its name never changes: its jobs bear it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        max_length=64, unique=True, validators=[_NAME], help_text="Its client_id; never changes."
    )
    description = models.TextField(blank=True)
    is_active = models.BooleanField(
        "active", default=True, help_text="Off: its tokens are refused from now on."
    )
    #: Tokens of an earlier generation are refused.
    generation = models.PositiveIntegerField(default=1, editable=False)
    rate_per_minute = models.PositiveIntegerField(
        "calls a minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="Empty: as many as API_CALLS_PER_MINUTE says.",
    )
    jobs_per_minute = models.PositiveIntegerField(
        "jobs a minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000_000)],
        help_text="Empty: as many as API_JOBS_PER_MINUTE says.",
    )
    last_token_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("make_secret", "Can give service accounts new secrets"),
            ("revoke_tokens", "Can revoke the tokens of service accounts"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_authenticated(self) -> bool:
        """Whether it has proved who it is: an account in a request has."""
        return True

    @property
    def origin(self) -> str:
        """What its jobs bear as `enqueued_by`, and the audit trail as the actor."""
        return f"{ACCOUNT}{self.name}"

    @property
    def scope(self) -> str:
        """Where its idempotency keys live."""
        return f"account:{self.name}"

    def may(self, verb: str, kind: str, queue: str | None = None) -> bool:
        """Return whether a grant allows the verb on that kind (on that queue)."""
        return any(grant.allows(verb, kind, queue) for grant in self.grants.all())


class Grant(EditedModel):
    """Verbs on kinds and queues. Patterns: a name, `payments.*`, or `*`."""

    kinds = models.CharField(max_length=200, validators=[_PATTERN])
    queues = models.CharField(max_length=200, default="*", validators=[_PATTERN])
    verbs: ClassVar["ArrayField[list[str], list[str]]"] = ArrayField(
        models.CharField(max_length=16, choices=[(verb, verb) for verb in VERBS])
    )
    account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="grants")

    class Meta:
        ordering = ["kinds", "queues"]

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)}: {self.kinds} on {self.queues}"

    def allows(self, verb: str, kind: str, queue: str | None = None) -> bool:
        """Return whether it covers the verb on that kind; no queue asks for any."""
        if verb == "enqueue" and kind in SEALED:
            return False
        fits_queue = queue is None or matches_pattern(self.queues, queue)
        return verb in self.verbs and matches_pattern(self.kinds, kind) and fits_queue


class SecretQuerySet(models.QuerySet["Secret"]):
    """Secrets by whether they still work."""

    def living(self) -> "SecretQuerySet":
        """Return those that have not expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


class Secret(models.Model):
    """A secret's digest. Two may live at a time, so that a new one can be rolled out."""

    #: SHA-256 is enough, and quick: the secret is 32 random bytes, not a person's word.
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=16)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="secrets")

    objects = SecretQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.hint}… of {self.account_id}"


def matches_pattern(pattern: str, name: str) -> bool:
    """Return whether a name is the pattern, or begins as it does before its asterisk."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
