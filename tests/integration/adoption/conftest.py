"""A project's own Celery app, made in the test: some of its tasks are jobs."""

import os
from functools import partial

import pytest
from celery import _state

from celeriac.celery import Celery
from celeriac.jobs import registry


@pytest.fixture
def adopt(settings):
    """Return what makes an app whose tasks fit the patterns; its kinds are forgotten afterwards."""
    before, shared = set(registry.kind_names()), set(_state._on_app_finalizers)
    apps = []

    def make(*patterns, app_class=Celery, celeriac=None, **config):
        settings.CELERIAC = {**settings.CELERIAC, "TASKS": list(patterns), **(celeriac or {})}
        app = app_class("acme", set_as_current=False, broker=os.environ["BROKER_URL"])
        app.conf.update(task_default_queue="default", result_backend="django-db", **config)
        app.task = partial(app.task, shared=False)  # or every other app had it, too
        apps.append(app)
        return app

    yield make
    for name in set(registry.kind_names()) - before:
        registry.forget_kind(name)
    for app in apps:
        app.close()
    _state._on_app_finalizers &= shared  # what one test's app shares is no other's


@pytest.fixture
def acme(adopt):
    """Return an app whose tasks are all jobs."""
    return adopt("acme.*")


@pytest.fixture(autouse=True)
def _no_orders():
    """Let no test go by another's routes."""
    from celeriac.jobs.routing.current_orders import current_orders
    from celeriac.jobs.routing.shared import shared_orders

    for each in (current_orders, shared_orders):
        each.forget()
    yield
    for each in (current_orders, shared_orders):
        each.forget()
