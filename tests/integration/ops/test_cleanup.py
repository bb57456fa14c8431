"""Rows that grow for ever: each table has somebody who deletes, or a reason."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import GroupResult, TaskResult

from apps.payments.models import WebhookEvent
from celeriac.breakers.models import Transition
from celeriac.builtin import cleanup
from celeriac.console.models import BulkAction
from celeriac.core import audit, clock
from celeriac.core.models import Audit, AuditBatch
from celeriac.jobs import registry
from celeriac.jobs.models import Job
from celeriac.schedules.api import sync_schedules
from celeriac.schedules.models import Tick
from celeriac.settings import project_setting
from tests.factories import UserFactory
from tests.factories_rows import (
    HandedBackFactory,
    ShadowCallFactory,
    ShadowGapFactory,
    ShadowRunFactory,
)
from tests.factories_schedules import PeriodicTaskFactory
from tests.support.conf import configure

pytestmark = pytest.mark.django_db


def entry():
    """Return an audit row."""
    return audit.record(verb="job.retry", target_type="job")


def make_tick():
    """Return a tick that was skipped."""
    return Tick.objects.create(
        periodic_task=PeriodicTaskFactory(), scheduled_for=clock.db_now(), status="skipped"
    )


def make_verb():
    """Return a bulk action."""
    return BulkAction.objects.create(verb="retry", audit=entry(), cutoff=clock.db_now())


#: A fresh row of each model that has a rule.
MAKE = {
    "sessions.Session": lambda: Session.objects.create(
        session_key=f"key-{Session.objects.count()}", expire_date=clock.db_now()
    ),
    "django_celery_results.TaskResult": lambda: TaskResult.objects.create(
        task_id=f"task-{TaskResult.objects.count()}"
    ),
    "django_celery_results.GroupResult": lambda: GroupResult.objects.create(
        group_id=f"group-{GroupResult.objects.count()}"
    ),
    "celeriac_jobs.HandedBack": lambda: HandedBackFactory(sent_at=clock.db_now()),
    "celeriac_jobs.ShadowCall": ShadowCallFactory,
    "celeriac_jobs.ShadowRun": ShadowRunFactory,
    "celeriac_jobs.ShadowGap": ShadowGapFactory,
    "celeriac_breakers.Transition": lambda: Transition.objects.create(
        breaker_id="email", from_state="closed", to_state="open"
    ),
    "celeriac_schedules.Tick": make_tick,
    "payments.WebhookEvent": lambda: WebhookEvent.objects.create(
        provider="stripe",
        event_id=f"evt-{WebhookEvent.objects.count()}",
        payload={},
        processed_at=clock.db_now(),
    ),
    "celeriac_core.AuditBatch": lambda: AuditBatch.objects.create(audit=entry(), targets=[]),
    "celeriac_core.Audit": entry,
    "celeriac_console.BulkAction": make_verb,
    **{
        f"axes.{name}": lambda name=name, more=more: apps.get_model("axes", name).objects.create(
            username=f"person-{apps.get_model('axes', name).objects.count()}",
            ip_address="10.1.1.1",
            **more,
        )
        for name, more in (
            ("AccessAttempt", {"failures_since_start": 1}),
            ("AccessFailureLog", {}),
            ("AccessLog", {}),
        )
    },
    "admin.LogEntry": lambda: LogEntry.objects.create(
        user=UserFactory(), action_flag=1, object_repr="it"
    ),
}
OURS = [rule for rule in cleanup.retention_rules() if rule.model in MAKE]


def age(rule, row, **past):
    """Let a row be so much older."""
    rule.rows.filter(pk=row.pk).update(**{rule.column: clock.db_now() - timedelta(**past)})


def kept(rule):
    """Return for how many days the rule keeps."""
    return project_setting(rule.setting)


def test_every_table_has_somebody_who_deletes_or_a_reason():
    """A new model is a line here: a rule, or who deletes it, or why it does not grow."""
    tables = [model for model in apps.get_models() if not model._meta.proxy]
    models = {m._meta.label for m in tables if m._meta.app_label != "testapp"}
    ruled = {rule.model for rule in cleanup.retention_rules()}
    assert models - ruled - cleanup.kept_tables().keys() == set()
    assert cleanup.kept_tables().keys() - models == set()
    assert ruled & cleanup.kept_tables().keys() == set()
    assert all(cleanup.kept_tables().values())


def test_every_rule_is_tried_here():
    """None is left out."""
    assert {rule.model for rule in cleanup.retention_rules()} == MAKE.keys()
    assert [rule for rule in cleanup.RULES if rule not in cleanup.retention_rules()] == []


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.model)
def test_what_was_kept_long_enough_goes_and_nothing_else(rule):
    """By its setting; and again there is nothing to do."""
    old, young = MAKE[rule.model](), MAKE[rule.model]()
    age(rule, old, days=kept(rule), minutes=1)
    age(rule, young, days=kept(rule), minutes=-1)
    assert cleanup.clean_up_rows() == {rule.model: 1}
    assert not rule.rows.filter(pk=old.pk).exists()
    assert rule.rows.filter(pk=young.pk).exists()
    assert cleanup.clean_up_rows() == {}


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.model)
def test_the_setting_is_obeyed(rule, settings):
    """A day is a day."""
    configure(settings, **{rule.setting: 1000.0})
    row = MAKE[rule.model]()
    age(rule, row, days=999)
    assert rule.model not in cleanup.clean_up_rows()
    configure(settings, **{rule.setting: 998.0})
    assert cleanup.clean_up_rows()[rule.model] == 1


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.model)
def test_the_oldest_are_found_by_an_index(rule):
    """Neither read from end to end nor sorted, however many there are."""
    MAKE[rule.model]()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        with CaptureQueriesContext(connection) as asked:
            list(rule.page(clock.db_now(), None)[:5])
        cursor.execute(f"EXPLAIN (FORMAT JSON) {asked[-1]['sql']}")
        plan = json.dumps(cursor.fetchone()[0])
    assert "Index" in plan
    assert "Seq Scan" not in plan
    assert '"Sort"' not in plan


@pytest.mark.parametrize("model", ["sessions.Session", "celeriac_breakers.Transition"])
def test_it_deletes_in_small_batches(model):
    """By an index of the column, and by the key: five rows are three statements of two."""
    (rule,) = [each for each in OURS if each.model == model]
    for _ in range(5):
        age(rule, MAKE[model](), days=kept(rule) + 1)
    with CaptureQueriesContext(connection) as asked:
        assert cleanup.clean_up_rows(batch=2) == {model: 5}
    table = rule.rows.model._meta.db_table
    begins = f'DELETE FROM "{table}"'  # noqa: S608 compared, not run
    deletes = [q["sql"] for q in asked if q["sql"].startswith(begins)]
    assert len(deletes) == 3


def test_an_event_that_nobody_processed_stays_and_stands_in_nobodys_way():
    """However old; those behind it go."""
    (rule,) = [each for each in OURS if each.model == "payments.WebhookEvent"]
    rows = [MAKE[rule.model]() for _ in range(6)]
    WebhookEvent.objects.filter(pk__in=[row.pk for row in rows[:3]]).update(processed_at=None)
    for row in rows[:5]:
        age(rule, row, days=kept(rule) + 1)
    assert cleanup.clean_up_rows(batch=2) == {rule.model: 2}
    assert WebhookEvent.objects.count() == 4


def test_it_ends_when_its_time_is_up():
    """The next hour goes on."""
    (rule,) = [each for each in OURS if each.model == "sessions.Session"]
    age(rule, MAKE[rule.model](), days=kept(rule) + 1)
    assert cleanup.clean_up_rows(seconds=0.0) == {}
    assert cleanup.clean_up_rows() == {rule.model: 1}


def test_it_is_scheduled_and_takes_the_place_of_what_it_replaces():
    """Also where the old name is in the database, and in a job that waits."""
    sync_schedules()
    task = PeriodicTask.objects.get(name="maintenance.cleanup")
    assert task.enabled
    assert registry.get_kind("schedules.prune").name == "maintenance.cleanup"
    assert not PeriodicTask.objects.filter(name="schedules.prune").exists()
    assert not Job.objects.exists()


def test_the_runbook_of_a_full_disk_names_every_setting():
    """With the job that obeys it."""
    text = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
    runbook = re.split(r"^## ", text, flags=re.MULTILINE)
    (full,) = [part for part in runbook if part.startswith("Disk full")]
    for rule in cleanup.retention_rules():
        assert f"`{rule.setting}` | {kept(rule):,.0f} |" in full
    assert "maintenance.cleanup" in full
    assert Audit._meta.label in {rule.model for rule in cleanup.retention_rules()}
