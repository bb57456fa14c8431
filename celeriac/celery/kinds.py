"""Kinds that apps declare without Celery's help, Django tasks first of all, as Celery tasks."""

from typing import Any

from celery import Celery, signals

from celeriac.celery.base import JobTask, doorbell
from celeriac.jobs import registry


def install_kinds(app: Celery) -> None:
    """Let workers of `app` answer doorbells of every declared kind."""

    # Not before a worker starts have all apps declared their kinds.
    @signals.worker_init.connect(weak=False, dispatch_uid=f"celeriac.kinds.{id(app)}")
    def make_tasks(sender: Any, **_: object) -> None:
        if getattr(sender, "app", None) is app:
            complete_kinds(app)


def complete_kinds(app: Celery) -> None:
    """Make a Celery task for each kind that has none yet."""
    for kind in registry.declared_kinds():
        for name in (kind.name, *kind.aliases):
            if name not in app.tasks:
                app.task(name=name, base=JobTask, bind=True, kind=kind, lazy=False)(doorbell)
