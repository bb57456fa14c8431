"""Rows that grow for ever, and who deletes them: one table for every model of the project.

A rule deletes what is older than its setting says, in batches of their own transactions, oldest
first by an index, and never for long: the next hour goes on where this one ended.
"""

import time
from datetime import datetime, timedelta

from django.apps import apps

from celeriac.core import clock
from celeriac.core.plugins import plugins
from celeriac.core.retention import RetentionRule
from celeriac.settings import project_setting

BATCH = 1000


RULES = (
    RetentionRule("sessions.Session", "expire_date", "SESSIONS_RETENTION_DAYS"),
    *(
        RetentionRule(f"django_celery_results.{name}", "date_done", "RESULTS_RETENTION_DAYS")
        for name in ("TaskResult", "GroupResult")
    ),
    # Whoever has not been sent stays.
    RetentionRule("celeriac_jobs.HandedBack", "sent_at", "AUDIT_TARGETS_RETENTION_DAYS"),
    *(
        RetentionRule(f"celeriac_jobs.Shadow{name}", column, "SHADOW_RETENTION_DAYS")
        for name, column in (("Call", "called_at"), ("Run", "started_at"), ("Gap", "at"))
    ),
    RetentionRule("celeriac_breakers.Transition", "at", "BREAKERS_RETENTION_DAYS", by_key=True),
    RetentionRule("celeriac_schedules.Tick", "decided_at", "SCHEDULES_RETENTION_DAYS"),
    RetentionRule("celeriac_core.AuditBatch", "at", "AUDIT_TARGETS_RETENTION_DAYS", by_key=True),
    # A bulk action goes before the audit's row that it names.
    RetentionRule("celeriac_console.BulkAction", "created_at", "AUDIT_RETENTION_DAYS", by_key=True),
    RetentionRule(
        "celeriac_core.Audit", "at", "AUDIT_RETENTION_DAYS", filters={"bulk_action": None}
    ),
    RetentionRule("admin.LogEntry", "action_time", "SIGN_INS_RETENTION_DAYS", by_key=True),
    *(
        RetentionRule(f"axes.{name}", "attempt_time", "SIGN_INS_RETENTION_DAYS", by_key=True)
        for name in ("AccessAttempt", "AccessFailureLog", "AccessLog")
    ),
)

_PRUNE = "maintenance.prune deletes it with its job"
_FLOW = "maintenance.prune deletes it once its flow has ended and none of the flow's jobs is left"
_ROLL_UP = (
    "maintenance.roll_up forgets it: minutes after 2 days, hours after ROLLUPS_RETENTION_DAYS"
)
_PEOPLE = "people write it, one by one"
_DEPLOYED = "as many as the code and the settings declare"
_DISPATCHER = "a dispatcher deletes it a day after its end"

#: Why every other table has no rule: somebody else deletes, or it does not grow by itself.
KEPT = {
    "celeriac_jobs.Job": "maintenance.prune deletes it: retention=, RETENTION_DAYS",
    "celeriac_jobs.Attempt": _PRUNE,
    "celeriac_jobs.SearchTerm": _PRUNE,
    "celeriac_jobs.JobKey": _PRUNE,
    "celeriac_jobs.LargeCall": _PRUNE,
    "celeriac_jobs.Node": _FLOW,
    "celeriac_jobs.NodeEdge": _FLOW,
    "celeriac_jobs.Emission": "maintenance.prune deletes it: RETENTION_DAYS, once no flow knows it",
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
    "celeriac_core.Counter": "one row for each metric and set of labels",
    "celeriac_breakers.Breaker": "one row for each provider, and each host that may be called back",
    "celeriac_jobs.Queue": _DEPLOYED,
    "celeriac_jobs.Route": _PEOPLE,
    "contenttypes.ContentType": _DEPLOYED,
    "auth.Permission": _DEPLOYED,
    "celeriac_console.GroupGrant": _DEPLOYED,
    "celeriac_monitoring.Flower": "no table",
    "auth.Group": _PEOPLE,
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
_GROWS = {_PRUNE, _ROLL_UP, KEPT["celeriac_jobs.Job"], KEPT["celeriac_monitoring.Pass"]}


def large_tables() -> list[str]:
    """Return the models whose tables grow, by label: what their lists cost is tested."""
    kept = {model for model, reason in KEPT.items() if reason in _GROWS}
    ruled = {rule.model for rule in retention_rules()}
    return sorted(kept.union(ruled, *(plugin.large_tables for plugin in plugins())))


def kept_tables() -> dict[str, str]:
    """Return why each table without a rule has none, by model."""
    return KEPT | {model: why for plugin in plugins() for model, why in plugin.kept.items()}


def retention_rules() -> list[RetentionRule]:
    """Return the rules whose app is installed."""
    labels = {model._meta.label for model in apps.get_models()}
    every = [*RULES, *(rule for plugin in plugins() for rule in plugin.rules)]
    return [rule for rule in every if rule.model in labels]


def clean_up_rows(*, batch: int = BATCH, seconds: float = 120.0) -> dict[str, int]:
    """Delete what has been kept long enough, for at most about `seconds`; return how many by model.

    Models of which nothing was deleted are left out.
    """
    todo, now, deadline = retention_rules(), clock.db_now(), time.monotonic() + seconds
    gone: dict[str, int] = {}
    for number, rule in enumerate(todo):
        # What one leaves of its share of the time, the others may use.
        left = deadline - time.monotonic()
        count = _sweep(rule, now, batch, time.monotonic() + left / (len(todo) - number))
        if count:
            gone[rule.model] = count
    return gone


def _sweep(rule: RetentionRule, now: datetime, batch: int, deadline: float) -> int:
    edge = now - timedelta(days=project_setting(rule.setting))
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
