"""Celery's app class on the ledger: its workers answer doorbells, and what it sends is a row."""

import os
from typing import TYPE_CHECKING, Any

import django
from celery import Celery as CeleryApp
from django.apps import apps
from django.conf import settings

from celeriac.celery import installing
from celeriac.celery.adopted.canvas.recording import refuse_plain_follower
from celeriac.celery.adopted.choosing import as_plain, choose_side
from celeriac.celery.adopted.patterns import is_adopted, is_named_in_shadow, may_be_job

#: What send_task says where its caller says nothing.
_SILENT = {"add_to_parent": True, "retries": 0, "replaced_task_nesting": 0}

if TYPE_CHECKING:
    from celery import Celery as Base
else:
    Base = object  # a mixin: it stands before Celery's app class, or the host's own


class LedgerApp(Base):
    """What makes a Celery app one of the ledger's: `class Acme(LedgerApp, celery.Celery)`.

    Its tasks that fit CELERIAC["TASKS"] are jobs, whatever their base class. `send_task` and
    `celery call` write jobs. Its workers answer doorbells, unless `doorbells` is False: those of
    plain tasks alone.
    """

    amqp_cls = "celeriac.celery.broker:AMQP"
    control_cls = "celeriac.celery.revoking:Control"

    def __init__(self, *args: Any, doorbells: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        installing.install_ledger(self, doorbells=doorbells)

    def _get_backend(self) -> Any:
        """Return the backend that `result_backend` names, which knows jobs besides."""
        app: Any = super()
        host = app._get_backend()
        known = settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ
        if known and not (apps.ready or apps.loading):
            django.setup()
        if not apps.ready:
            return host  # of a script that knows no ledger, or while Django loads the tasks
        from celeriac.celery.adopted.backend import wrap_backend  # with the models

        return wrap_backend(host)

    def _task_from_fun(  # type: ignore[override]  # its other options pass through
        self, fun: Any, name: str | None = None, base: Any = None, **options: Any
    ) -> Any:
        """Put the ledger's task class under that of a task that is adopted."""
        parent: Any = super()
        name = name or self.gen_task_name(fun.__name__, fun.__module__)
        if "kind" not in options and (may_be_job(name) or is_named_in_shadow(name)):
            base = _adopting(base or self.Task, name)
        return parent._task_from_fun(fun, name=name, base=base, **options)

    def register_task(self, task: Any, **options: Any) -> Any:
        """Do the same for a task that is a class of its own."""
        parent: Any = super()
        task = task() if isinstance(task, type) else task
        task.name = task.name or self.gen_task_name(type(task).__name__, type(task).__module__)
        if is_adopted(task.name) or is_named_in_shadow(task.name):
            task.__class__ = _adopting(type(task), task.name)
        return parent.register_task(task, **options)

    def send_task(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: Any = None,
        task_id: str | None = None,
        *rest: Any,
        **options: Any,
    ) -> Any:
        """Write a job where the name is a kind's, keyed by `task_id` where one is given.

        Other tasks are sent, as Celery does; `countdown` is in seconds.

        Raises:
            InvalidOption: the ledger can't honour an option of a kind's call.
            InvalidArgs: the arguments do not fit the kind.
        """
        known = options.get("task_type") is not None  # apply_async of a task that is plain now
        own: Any = self.tasks.get(name) if is_adopted(name) and not known else None
        if hasattr(own, "is_on_ledger"):
            task_id, is_job = choose_side(own, task_id, options)
            if is_job:
                given = {**options, "countdown": countdown, "eta": eta}
                return own.send(args, kwargs, task_id, given)
            known, options = True, as_plain(options)
        task = None if known else self._kind_task(name)
        if task is None or hasattr(task, "is_on_ledger"):
            refuse_plain_follower(name, args, kwargs, options)
            parent: Any = super()
            return parent.send_task(name, args, kwargs, countdown, eta, task_id, *rest, **options)
        given = {
            option: value
            for option, value in options.items()
            if option not in _SILENT or value != _SILENT[option]
        }
        if task_id is not None:
            given["idempotency_key"] = str(task_id)
        return task.apply_async(args, kwargs, countdown=countdown, eta=eta, **given)

    def _kind_task(self, name: str) -> Any:
        if not apps.ready:  # `celery call` sets nothing up
            django.setup()
        from celeriac.celery import kinds
        from celeriac.jobs import registry  # the kinds are declared once Django is set up

        if registry.get_kind(name) is None:
            return None
        if name not in self.tasks:
            kinds.complete_kinds(self)
        return self.tasks[name]


class Celery(LedgerApp, CeleryApp):
    """Celery's own app class, on the ledger."""


def _adopting(base: Any, name: str) -> Any:
    """Return the class with the ledger's under it, or with the shadow's: those import models."""
    if not may_be_job(name):
        from celeriac.celery.shadow.task import shadowing

        return shadowing(base)
    from celeriac.celery.adopted.task import adopting

    return adopting(base)
