"""`self.replace(…)`: a running job is superseded by what is to take its place."""

from typing import Any

from celery.exceptions import Ignore, ImproperlyConfigured
from django.db import transaction

from celeriac.celery.adopted.canvas.inputs import KEPT
from celeriac.celery.adopted.canvas.recording import recording
from celeriac.celery.adopted.canvas.writing import write_recording
from celeriac.celery.adopted.runs import AdoptedRun
from celeriac.jobs.models import Job
from celeriac.jobs.nodes.sql import REPLACES


def replace_run(run: AdoptedRun, signature: Any) -> None:
    """Write what takes a run's place, as one transaction; its claim guards it.

    Whoever waits for the job waits for the other one from now on, and is given its result.

    Raises:
        Ignore: always, once it is written.
        LostClaim: the job is no longer this run's.
    """
    with transaction.atomic():
        run.job.hold()
        with recording("replacement", write_recording) as record:
            record.successor_of = run.task_id
            record.headers = {REPLACES: str(run.job.id)}
            record.headers |= {KEPT: True} if KEPT in run.job.headers else {}
            signature.delay()
        successors = [call for call in record.calls if call.task_id == run.task_id]
        if not successors:
            raise ImproperlyConfigured(
                f"{run.task.name} can't be replaced by tasks that are not adopted: add them to "
                "CELERIAC['TASKS']."
            )
        Job.objects.filter(pk=run.job.id).update(superseded_by=successors[-1].id)
    raise Ignore("replaced by another task")
