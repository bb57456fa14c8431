"""What makes the workers of a Celery app workers of the ledger."""

from functools import partial
from typing import Any

import django
from celery import Celery, signals
from click import Option
from django.apps import apps
from django.core.checks import register

from celeriac.celery.adopted.canvas.hooks import install_hooks
from celeriac.celery.adopted.checks import check_adopted
from celeriac.celery.adopted.declaring import declare_carrier
from celeriac.celery.defaults import DEFAULTS
from celeriac.celery.quiet import install_quiet
from celeriac.jobs import registry
from celeriac.jobs.hosts import ledger_apps

WITH_DISPATCHER = Option(
    ["--with-dispatcher"],
    is_flag=True,
    help="Ring for due jobs too, in a thread: no `manage.py dispatcher` is needed beside.",
)


def answer_doorbells(sender: Celery, **_: object) -> None:
    """Let the workers of an app answer doorbells, once Django is set up."""
    if not apps.ready:
        # Some module that Django loads has asked for a task already.
        @signals.celeryd_init.connect(weak=False, dispatch_uid=f"celeriac.late.{id(sender)}")
        def answer_later(**_: object) -> None:
            django.setup()
            answer_doorbells(sender)

        return
    from celeriac.celery import canary, child_setup, kinds, worker  # imports models
    from celeriac.celery.adopted import receiving

    worker.install_worker(sender)
    canary.install_canaries(sender)
    receiving.install_receiving(sender)
    kinds.install_kinds(sender)
    registry.declare_when_asked(partial(declare_carrier, sender))
    child_setup.install_child_setup()


def install_ledger(app: Any, *, doorbells: bool = True) -> None:
    """Give an app our defaults, and let its workers answer doorbells; once is enough."""
    install_quiet()
    install_hooks()
    app.add_defaults(lambda: DEFAULTS)
    if doorbells:
        ledger_apps[app.main or ""] = app
        register(check_adopted)
        app.user_options["worker"].add(WITH_DISPATCHER)
        app.steps["worker"].add("celeriac.celery.dispatcher_step:DispatcherStep")
        # Not before it is configured does the app know its backend and its tasks.
        app.on_after_finalize.connect(
            answer_doorbells, weak=False, dispatch_uid="celeriac.doorbells"
        )
    app.is_of_ledger = True
