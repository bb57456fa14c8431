"""Rows that grow for ever, and who deletes them: one table for every model of the project.

A rule deletes what is older than its setting says, in batches of their own transactions, oldest
first by an index, and never for long: the next hour goes on where this one ended.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import QuerySet

from celeriac.core import clock

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a model go when `column` is `setting` days ago.

    They are found by an index of the column; without one (`by_key`), by a primary key that grows
    with it. `filters` says which may go at all.
    """

    model: str
    column: str
    setting: str
    by_key: bool = False
    filters: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> QuerySet[Any]:
        """Return all rows of the model."""
        found: QuerySet[Any] = apps.get_model(self.model)._default_manager.all()
        return found

    def page(self, edge: datetime, after: Any) -> QuerySet[Any]:  # noqa: ANN401 a primary key
        """Return where to look next, the oldest first, as (primary key, column)."""
        if not self.by_key:
            rows = self.rows.filter(**{f"{self.column}__lt": edge}).order_by(self.column)
        else:
            rows = self.rows.order_by("pk")
            rows = rows if after is None else rows.filter(pk__gt=after)
        return rows.values_list("pk", self.column)

    def delete(self, ids: list[Any], edge: datetime) -> int:
        """Delete those of the rows that may go, in one transaction; return how many."""
        old = {f"{self.column}__lt": edge}
        _, counts = self.rows.filter(pk__in=ids, **old, **self.filters).delete()
        return counts.get(self.model, 0)


RULES = (
    Rule("sessions.Session", "expire_date", "SESSIONS_RETENTION_DAYS"),
    *(
        Rule(f"django_celery_results.{name}", "date_done", "RESULTS_RETENTION_DAYS")
        for name in ("TaskResult", "GroupResult")
    ),
    Rule("celeriac_breakers.Transition", "at", "BREAKERS_RETENTION_DAYS", by_key=True),
    Rule("celeriac_schedules.Tick", "decided_at", "SCHEDULES_RETENTION_DAYS"),
    Rule(
        *("payments.WebhookEvent", "received_at", "WEBHOOKS_RETENTION_DAYS"),
        by_key=True,
        filters={"processed_at__isnull": False},
    ),
    Rule("celeriac_core.AuditBatch", "at", "AUDIT_TARGETS_RETENTION_DAYS", by_key=True),
    # A verb over a filter goes before the audit's row that it names.
    Rule("celeriac_console.BulkVerb", "created_at", "AUDIT_RETENTION_DAYS", by_key=True),
    Rule("celeriac_core.Audit", "at", "AUDIT_RETENTION_DAYS", filters={"bulk_verb": None}),
    Rule("admin.LogEntry", "action_time", "SIGN_INS_RETENTION_DAYS", by_key=True),
    *(
        Rule(f"axes.{name}", "attempt_time", "SIGN_INS_RETENTION_DAYS", by_key=True)
        for name in ("AccessAttempt", "AccessFailureLog", "AccessLog")
    ),
)

_PRUNE = "maintenance.prune deletes it with its job"
_ROLL_UP = "maintenance.roll_up forgets it: minutes after 2 days, hours after 60"
_PEOPLE = "people write it, one by one"
_DEPLOYED = "as many as the code and the settings declare"
_DISPATCHER = "a dispatcher deletes it a day after its end"
_MONEY = "the books: what was sold, charged and said is kept for as long as the law asks"
_MAIL = "what keeps a mail from being sent twice, or at all, for as long as it may be asked"

#: Why every other table has no rule: somebody else deletes, or it does not grow by itself.
KEPT = {
    "celeriac_jobs.Job": "maintenance.prune deletes it: retention=, JOBS_RETENTION_DAYS",
    "celeriac_jobs.Attempt": _PRUNE,
    "celeriac_jobs.SearchTerm": _PRUNE,
    "celeriac_jobs.JobKey": _PRUNE,
    "celeriac_jobs.Worker": _DISPATCHER,
    "celeriac_jobs.Sign": _DISPATCHER,
    "celeriac_jobs.Dispatcher": _DISPATCHER,
    "celeriac_schedules.Beat": "the next beat to start deletes it a day after its last word",
    "celeriac_monitoring.Rollup": _ROLL_UP,
    "celeriac_monitoring.ErrorRollup": _ROLL_UP,
    "celeriac_monitoring.Sample": _ROLL_UP,
    "celeriac_monitoring.Pass": "maintenance.roll_up forgets it after 2 days",
    "django_celery_results.ChordCounter": "the last task of a chord deletes it",
    "axes.AccessAttemptExpiration": "it goes with its attempt",
    "payments.Payment": _MONEY,
    "payments.Operation": _MONEY,
    "payments.PaymentEvent": _MONEY,
    "payments.Difference": _MONEY,
    "orders.Order": _MONEY,
    "orders.Item": _MONEY,
    "notifications.Email": _MAIL,
    "notifications.Recipient": _MAIL,
    "notifications.Suppression": _MAIL,
    "notifications.Campaign": _PEOPLE,
    "celeriac_core.Tally": "one row for each metric and set of labels",
    "celeriac_breakers.Breaker": "one row for each provider, and each host that may be called back",
    "celeriac_jobs.Queue": _DEPLOYED,
    "contenttypes.ContentType": _DEPLOYED,
    "auth.Permission": _DEPLOYED,
    "celeriac_console.Grant": _DEPLOYED,
    "celeriac_monitoring.Flower": "no table",
    "auth.Group": _PEOPLE,
    "accounts.User": _PEOPLE,
    "celeriac_http.ServiceAccount": _PEOPLE,
    "celeriac_http.Grant": _PEOPLE,
    "celeriac_http.Secret": _PEOPLE,
    "celeriac_schedules.Policy": "one row for each schedule",
    "django_celery_beat.PeriodicTask": _PEOPLE,
    "django_celery_beat.PeriodicTasks": "one row",
    "django_celery_beat.SolarSchedule": _PEOPLE,
    "django_celery_beat.IntervalSchedule": _PEOPLE,
    "django_celery_beat.ClockedSchedule": _PEOPLE,
    "django_celery_beat.CrontabSchedule": _PEOPLE,
}


#: Reasons for tables that grow all the same, or whose rows others delete.
_GROWS = {
    _PRUNE,
    _ROLL_UP,
    _MONEY,
    _MAIL,
    KEPT["celeriac_jobs.Job"],
    KEPT["celeriac_monitoring.Pass"],
}


def growing() -> list[str]:
    """Return the models whose tables grow, by label: what their lists cost is tested."""
    kept = [model for model, reason in KEPT.items() if reason in _GROWS]
    return sorted({rule.model for rule in RULES} | set(kept))


def rules() -> list[Rule]:
    """Return the rules whose app is installed."""
    labels = {model._meta.label for model in apps.get_models()}
    return [rule for rule in RULES if rule.model in labels]


def clean(*, batch: int = BATCH, seconds: float = 120.0) -> dict[str, int]:
    """Delete what has been kept long enough, for at most about `seconds`; return how many by model.

    Models of which nothing was deleted are left out.
    """
    todo, now, deadline = rules(), clock.read(), time.monotonic() + seconds
    gone: dict[str, int] = {}
    for number, rule in enumerate(todo):
        # What one leaves of its share of the time, the others may use.
        left = deadline - time.monotonic()
        count = _sweep(rule, now, batch, time.monotonic() + left / (len(todo) - number))
        if count:
            gone[rule.model] = count
    return gone


def _sweep(rule: Rule, now: datetime, batch: int, deadline: float) -> int:
    edge = now - timedelta(days=getattr(settings, rule.setting))
    deleted, after = 0, None
    while time.monotonic() < deadline:
        page = list(rule.page(edge, after)[:batch])
        count = rule.delete([pk for pk, _ in page], edge)
        deleted += count
        if len(page) < batch or (rule.by_key and page[-1][1] >= edge):
            break
        if not (count or rule.by_key):
            break
        after = page[-1][0]
    return deleted
