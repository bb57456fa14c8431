"""Objects for tests."""

from uuid import uuid4

import factory
from django.utils import timezone

from apps.accounts.models import User
from celeriac.jobs.models import Attempt, Job, JobKey
from celeriac.jobs.states import TERMINAL, State


class UserFactory(factory.django.DjangoModelFactory):
    """A person who may sign in with the password "secret"."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    password = factory.django.Password("secret")


class JobFactory(factory.django.DjangoModelFactory):
    """A job in any state, its fields as that state demands."""

    class Meta:
        model = Job

    kind = "test.note"
    args = factory.LazyFunction(lambda: {"name": "a"})
    queue = "default"
    priority = 0
    state = State.QUEUED
    run_at = factory.LazyFunction(timezone.now)
    max_attempts = 3
    attempt = factory.LazyAttribute(lambda job: 0 if job.state == State.QUEUED else 1)
    claim_id = factory.LazyAttribute(lambda job: uuid4() if job.state == State.RUNNING else None)
    started_at = factory.LazyAttribute(lambda job: timezone.now() if job.attempt else None)
    finished_at = factory.LazyAttribute(
        lambda job: timezone.now() if job.state in TERMINAL else None
    )


class AttemptFactory(factory.django.DjangoModelFactory):
    """A remembered run."""

    class Meta:
        model = Attempt

    job = factory.SubFactory(JobFactory)
    number = 1
    outcome = "failed"
    started_at = factory.LazyFunction(timezone.now)
    finished_at = factory.LazyFunction(timezone.now)


class JobKeyFactory(factory.django.DjangoModelFactory):
    """An idempotency key."""

    class Meta:
        model = JobKey

    scope = ""
    key = factory.Sequence(lambda n: f"key-{n}")
    job_id = factory.LazyFunction(lambda: JobFactory().id)
    hash = "0" * 64
    created_at = factory.LazyFunction(timezone.now)
