"""The app of the ledger's rows where `manage.py celeriac worker` looks for it: by the settings."""

from config import celery_app as app

__all__ = ["app"]
