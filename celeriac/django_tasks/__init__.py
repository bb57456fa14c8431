"""Django's Tasks API on the ledger: `TASKS = {"default": {"BACKEND": this.LedgerBackend}}`.

Imported whenever a module with `@task` is, which may be before any model is loaded: so
nothing here imports models but ledger.py and run.py, which are imported when they are needed.
"""

from celeriac.django_tasks.backend import LedgerBackend
from celeriac.django_tasks.task import LedgerTask, task

__all__ = ["LedgerBackend", "LedgerTask", "task"]
