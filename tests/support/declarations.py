"""Declarations of kinds that end with their test."""

import pytest
from celery import _state

from celeriac.jobs import job_pages, registry


@pytest.fixture
def fresh(monkeypatch):
    """Take back every declaration that a page makes, in the ledger and in Celery."""
    monkeypatch.setattr(registry, "_kinds", dict(registry._kinds))
    monkeypatch.setattr(registry, "_aliases", dict(registry._aliases))
    monkeypatch.setattr(job_pages, "_registered", dict(job_pages._registered), raising=False)
    finalizers = set(_state._on_app_finalizers)
    known = {app: set(app.tasks) for app in _state._get_active_apps()}
    yield
    _state._on_app_finalizers.intersection_update(finalizers)
    for app, names in known.items():
        for name in set(app.tasks) - names:
            app.tasks.pop(name)
