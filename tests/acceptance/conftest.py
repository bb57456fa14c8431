"""What tests with real processes share."""

import pytest
from celery import Celery

from celeriac.celery.headers import DOORBELL, HEADER
from celeriac.jobs import registry
from celeriac.jobs.models import Job, Queue
from celeriac.settings import conf
from config.celery import app


def send_doorbell(kind, ids, **options):
    """Put a doorbell into the broker, as a dispatcher does."""
    headers = {HEADER: DOORBELL}
    Celery.send_task(app, kind, [ids], headers=headers, ignore_result=True, **options)


@pytest.fixture(autouse=True)
def queues(transactional_db, settings):
    """Make the queues' rows anew: a transactional test's end has emptied the table."""
    for name in conf.QUEUES:
        Queue.objects.get_or_create(name=name)


@pytest.fixture
def write():
    """Return a function that writes queued jobs of a kind, straight into the table."""

    def jobs(kind, arguments, **fields):
        declared = registry.find_kind(kind)
        fields = {
            "queue": declared.queue,
            "max_attempts": declared.retry.max_attempts,
            "kind": declared.name,
            **fields,
        }
        return Job.objects.bulk_create([Job(args=args, **fields) for args in arguments])

    return jobs


@pytest.fixture
def ring():
    """Return a function that puts a doorbell for the jobs into the broker, without a dispatcher."""

    def doorbell(jobs, queue=None):
        ids = [str(job.id) for job in jobs]
        send_doorbell(jobs[0].kind, ids, queue=queue or jobs[0].queue)

    return doorbell
