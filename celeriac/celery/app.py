"""Celery's app class on the ledger: its workers answer doorbells, and what it sends is a row."""

from typing import Any

import django
from celery import Celery as CeleryApp
from click import Option
from django.apps import apps

from celeriac.celery.defaults import DEFAULTS

#: What send_task says where its caller says nothing.
_SILENT = {"add_to_parent": True, "retries": 0, "replaced_task_nesting": 0}

WITH_DISPATCHER = Option(
    ["--with-dispatcher"],
    is_flag=True,
    help="Ring for due jobs too, in a thread: no `manage.py dispatcher` is needed beside.",
)


def answer_doorbells(sender: CeleryApp, **_: object) -> None:
    """Let the workers of an app answer doorbells, once Django is set up."""
    from celeriac.celery import canary, child_setup, kinds, worker  # imports models

    worker.install_worker(sender)
    canary.install_canaries(sender)
    kinds.install_kinds(sender)
    child_setup.install_child_setup()


class Celery(CeleryApp):
    """Knows the ledger: `send_task("orders.ship", …)` and `celery call` write jobs.

    Its workers answer doorbells, unless `doorbells` is False: those of plain tasks alone.
    """

    amqp_cls = "celeriac.celery.broker:AMQP"

    def __init__(self, *args: Any, doorbells: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.add_defaults(lambda: DEFAULTS)
        if doorbells:
            self.user_options["worker"].add(WITH_DISPATCHER)
            self.steps["worker"].add("celeriac.celery.dispatcher_step:DispatcherStep")
            # Not before it is configured does the app know its backend and its tasks.
            self.on_after_finalize.connect(
                answer_doorbells, weak=False, dispatch_uid="celeriac.doorbells"
            )

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
        task = self._kind_task(name)
        if task is None:
            return super().send_task(name, args, kwargs, countdown, eta, task_id, *rest, **options)
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
