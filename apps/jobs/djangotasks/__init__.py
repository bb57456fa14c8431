"""Django's Tasks API on the ledger: `TASKS = {"default": {"BACKEND": this.LedgerBackend}}`.

Imported whenever a module with `@task` is, which may be before any model is loaded: so
nothing here imports models but ledger.py and run.py, which are imported when they are needed.
"""

from apps.jobs.djangotasks.backend import LedgerBackend
from apps.jobs.djangotasks.task import LedgerTask, task

__all__ = ["LedgerBackend", "LedgerTask", "task"]
