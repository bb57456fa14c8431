"""Writing jobs."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from apps.jobs.api import enqueue, enqueue_many
from apps.jobs.models import Job

pytestmark = pytest.mark.django_db


def greet(name: str, times: int = 1):
    """Greet."""


@pytest.fixture(autouse=True)
def kind(declare):
    return declare(greet, "test.greet")


def test_a_job_reads_back_as_it_was_returned():
    """The returned job is the row, field for field."""
    job = enqueue("test.greet", {"name": "Ada"}, delay=timedelta(minutes=1), lock_key="l")
    row = Job.objects.get(id=job.id)
    for field in Job._meta.concrete_fields:
        assert getattr(job, field.attname) == getattr(row, field.attname), field.attname


def test_a_keyed_job_reads_back_as_it_was_returned():
    """The set-based statement builds the same."""
    job = enqueue("test.greet", {"name": "Ada"}, unique_key="u", idempotency_key="i")
    row = Job.objects.get(id=job.id)
    for field in Job._meta.concrete_fields:
        assert getattr(job, field.attname) == getattr(row, field.attname), field.attname
    again = enqueue("test.greet", {"name": "Ada"}, unique_key="u", idempotency_key="i")
    assert again.id == job.id and again.replayed
    hit = enqueue("test.greet", {"name": "Eve"}, unique_key="u")
    assert hit.id == job.id and hit.absorbed and hit.args == {"name": "Ada"}


def test_many():
    """Many."""
    jobs = enqueue_many("test.greet", [{"name": str(n)} for n in range(2500)])
    assert Job.objects.count() == 2500
    assert [job.args["name"] for job in jobs] == [str(n) for n in range(2500)]
