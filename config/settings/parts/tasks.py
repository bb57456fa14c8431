"""Django's Tasks API: its functions run as jobs of the ledger."""

from typing import Any

#: QUEUES are those of CELERIAC; OPTIONS are defaults of `@job`'s options (docs/django-tasks.md).
TASKS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "celeriac.django_tasks.LedgerBackend"}}
