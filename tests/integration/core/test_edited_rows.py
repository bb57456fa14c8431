"""Rows that people edit tell when that was last done, whichever door was used."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from celeriac.breakers import services as breakers
from celeriac.breakers.models import Breaker
from celeriac.core.models import EditedModel
from celeriac.http.services import revoke_tokens
from celeriac.jobs.models import Queue
from celeriac.jobs.operating.operate_queues import pause_queue, resume_queue
from celeriac.schedules import operate
from celeriac.schedules.models import Policy
from tests.factories import UserFactory
from tests.factories_api import GrantFactory, ServiceAccountFactory
from tests.factories_schedules import PeriodicTaskFactory

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=400)


def paused_and_resumed_queue():
    """Edit a queue twice."""
    yield Queue.objects.get_or_create(name="default")[0]
    yield pause_queue("default", actor="ann", reason="test")
    yield resume_queue("default", actor="ann")


def paused_and_resumed_schedule():
    """Edit a schedule's policy twice."""
    task = PeriodicTaskFactory()
    yield Policy.objects.get(pk=task.pk)
    yield operate.pause_schedule(task.pk, actor="ann", reason="test")
    yield operate.resume_schedule(task.pk, actor="ann")


def forced_breaker():
    """Edit a breaker."""
    yield Breaker.objects.get_or_create(name="email")[0]
    yield breakers.force_open("email", actor="ann", reason="test")


def revoked_account():
    """Edit a service account through its service."""
    account = ServiceAccountFactory()
    yield account
    yield revoke_tokens(account=account, actor="ann") or account


def saved(factory):
    """Edit a row as a form does."""
    row = factory()
    yield row
    yield row.save() or row


@pytest.mark.parametrize(
    "edits",
    [
        paused_and_resumed_queue,
        paused_and_resumed_schedule,
        forced_breaker,
        revoked_account,
        lambda: saved(UserFactory),
        lambda: saved(GrantFactory),
    ],
    ids=["queue", "schedule", "breaker", "account", "user", "grant"],
)
def test_an_edit_is_dated(edits):
    """By a service or by a form."""
    doors = edits()
    row = next(doors)
    same = type(row).objects.filter(pk=row.pk)
    same.update(updated_at=LONG_AGO)
    for _ in doors:
        assert same.get().updated_at > LONG_AGO + timedelta(days=399)
        same.update(updated_at=LONG_AGO)


def test_what_people_edit_is_dated_and_nothing_else():
    """A row that only machines write carries no such column."""
    dated = {model._meta.label for model in apps.get_models() if issubclass(model, EditedModel)}
    assert dated == {
        "accounts.User",
        "celeriac_breakers.Breaker",
        "celeriac_http.Grant",
        "celeriac_http.ServiceAccount",
        "celeriac_jobs.Queue",
        "celeriac_jobs.Route",
        "celeriac_schedules.Policy",
    }
