"""System checks of a project's own tasks that are jobs: what can be known before the first call."""

import sys
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from celeriac.celery.adopted.declaring import Handler
from celeriac.jobs import registry
from celeriac.jobs.hosts import ledger_apps
from celeriac.settings import conf

_OURS = "celeriac.celery.beat:"
_PRUNE = "maintenance.prune"


def check_adopted(**_: Any) -> list[CheckMessage]:
    """Report what an adopted task can't have, eager mode outside of tests, a foreign beat."""
    found = list(_check_tasks())
    for app in ledger_apps.values():
        found += _check_eager(app)
        found += _check_beat(app)
    return found


def _check_tasks() -> Iterator[CheckMessage]:
    for kind in registry.declared_kinds():
        task = kind.handler.task if isinstance(kind.handler, Handler) else None
        if task is not None and task.rate_limit:
            text = f"{kind.name}: rate_limit={task.rate_limit!r} is not kept for jobs."
            hint = "Guard the provider with a circuit, take turns with a lock, or leave it plain."
            yield Warning(text, hint=hint, id="celeriac_jobs.W019")
        if task is not None and "pickle" in str(task.serializer or ""):
            text = f"{kind.name}: serializer={task.serializer!r}: pickled objects can't be kept."
            hint = (
                "Say serializer='json' and pass plain data, or leave it out of CELERIAC['TASKS']."
            )
            yield Error(text, hint=hint, id="celeriac_jobs.E016")


def _check_eager(app: Any) -> Iterator[CheckMessage]:
    if not (conf.TASKS and app.conf.task_always_eager) or _is_test():
        return
    text = "CELERY_TASK_ALWAYS_EAGER: tasks of CELERIAC['TASKS'] run at once, and write no job."
    yield Warning(text, hint="Leave it to the settings of tests.", id="celeriac_jobs.W017")


def _is_test() -> bool:
    return "test" in sys.argv[1:2] or "pytest" in sys.modules


def _check_beat(app: Any) -> Iterator[CheckMessage]:
    if str(app.conf.beat_scheduler).startswith(_OURS):
        return
    entries = (app.conf.beat_schedule or {}).values()
    if registry.get_kind(_PRUNE) is None or any(each["task"] == _PRUNE for each in entries):
        return
    text = f"beat is {app.conf.beat_scheduler}, which knows no schedule of ours: nothing prunes."
    hint = (
        'Add CELERY_BEAT_SCHEDULE["celeriac prunes"] = {"task": "maintenance.prune", "schedule": '
        f'3600}}, or set CELERY_BEAT_SCHEDULER = "{_OURS}DatabaseScheduler".'
    )
    yield Warning(text, hint=hint, id="celeriac_jobs.W018")
