"""Calls of a project's own tasks: what becomes a row, and what stays Celery's."""

import pytest

from celeriac.jobs.models import Job
from celeriac.testing import drain

pytestmark = pytest.mark.django_db


def test_a_task_that_fits_a_pattern_is_a_job_from_end_to_end(acme):
    """Its call writes a row, and a worker runs the task's function with its arguments."""
    seen = []

    @acme.task(name="acme.add")
    def add(x, y=1, *more, **named):
        seen.append((x, y, more, named))
        return x + y

    result = add.delay(1, 2, 3, z=4)
    row = Job.objects.get()
    assert (str(row.id), row.kind, row.queue) == (result.id, "acme.add", "default")
    assert row.args == {"args": [1, 2, 3], "kwargs": {"z": 4}}
    [ran] = drain()
    assert (ran.state, ran.result) == ("succeeded", 3)
    assert seen == [(1, 2, (3,), {"z": 4})]
