"""The Celery apps that are the ledger's, as those who know no Celery see them."""

from typing import Any

from django.core.checks import CheckMessage, Error

from celeriac.settings import conf

#: Each app once it is made, by the name that it was given.
ledger_apps: dict[str, Any] = {}


def check_ledger_app(**_: Any) -> list[CheckMessage]:
    """Report tasks that are to be jobs while no Celery app is the ledger's."""
    if not conf.TASKS or ledger_apps:
        return []
    text = (
        f"CELERIAC['TASKS'] names {', '.join(conf.TASKS)}, and no Celery app is the ledger's: "
        "their calls would stay plain messages."
    )
    hint = (
        "In the project's celery.py write `from celeriac.celery import Celery`, and import that "
        "module in the project's __init__.py."
    )
    return [Error(text, hint=hint, id="celeriac_jobs.E015")]
