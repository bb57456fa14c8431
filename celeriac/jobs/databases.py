"""Where the ledger's tables are: in the default database, whose transactions jobs commit with."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Model

from celeriac.jobs import schemas

_PREFIX = "celeriac_"
_BEAT = "django_celery_beat"


class LedgerRouter:
    """Keeps the ledger in the default database, whatever the routers below it say."""

    def db_for_read(self, model: type[Model], **hints: object) -> str | None:
        """Read the ledger where it is written."""
        return DEFAULT_DB_ALIAS if _is_ledgers(model._meta.app_label) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool | None:
        """Make its tables there alone."""
        return db == DEFAULT_DB_ALIAS if _is_ledgers(app_label) else None


def check_routers(**_: Any) -> list[CheckMessage]:
    """Refuse a ledger in another database than the default one, by that one's name."""
    strays: dict[str, set[str]] = {}
    for model in apps.get_models():
        if _is_ledgers(model._meta.app_label):
            for alias in _elsewhere(model):
                strays.setdefault(alias, set()).add(model._meta.app_label)
    hint = (
        "Put 'celeriac.jobs.databases.LedgerRouter' first in DATABASE_ROUTERS; where your own "
        "tables are in the other one, let that be DATABASES['default']."
    )
    return [
        Error(_stray_in_words(alias, labels), hint=hint, id="celeriac_jobs.E030")
        for alias, labels in sorted(strays.items())
    ]


def check_schemas(**_: Any) -> list[CheckMessage]:
    """Refuse a ledger in the schemas of tenants: a dispatcher and a worker see the shared one."""
    if not schemas.has_schemas():
        return []
    names = set(_tenant_apps())
    found: list[CheckMessage] = []
    ours = sorted(name for name in names if name.startswith("celeriac."))
    if ours:
        text = f"TENANT_APPS names {', '.join(ours)}: no worker would see those tables."
        hint = "The ledger is in the schema that all share: name its apps in SHARED_APPS alone."
        found.append(Error(text, hint=hint, id="celeriac_jobs.E031"))
    if _BEAT in names and apps.is_installed("celeriac.schedules"):
        text = f"TENANT_APPS names {_BEAT}: a beat of the ledger fires none of those schedules."
        hint = "Name it in SHARED_APPS alone; let a schedule's handler enqueue for each tenant."
        found.append(Warning(text, hint=hint, id="celeriac_jobs.W032"))
    return found


def _is_ledgers(label: str) -> bool:
    """Whether an app's tables are written in one transaction with jobs: schedules' ticks are."""
    if label == _BEAT:
        return apps.is_installed("celeriac.schedules")
    return label.startswith(_PREFIX)


def _elsewhere(model: type[Model]) -> Iterator[str]:
    """Yield the other databases that a model is written to or read from; '' where it has none."""
    if model._meta.managed:
        yield from {router.db_for_write(model), router.db_for_read(model)} - {DEFAULT_DB_ALIAS}
        if not schemas.current_tenant() and not router.allow_migrate_model(DEFAULT_DB_ALIAS, model):
            yield ""


def _stray_in_words(alias: str, labels: set[str]) -> str:
    named = ", ".join(sorted(labels))
    if not alias:
        return f"A database router keeps {named} out of the default database: no table is made."
    return (
        f"A database router sends {named} to {alias!r}: a job could not commit with what is "
        f"written in {DEFAULT_DB_ALIAS!r}, and would not be seen there."
    )


def _tenant_apps() -> Iterator[str]:
    """Yield what is installed in the schemas of tenants, of each type of theirs."""
    yield from getattr(settings, "TENANT_APPS", ())
    for name, kind in getattr(settings, "TENANT_TYPES", {}).items():
        if name != schemas.shared_schema():
            yield from kind.get("APPS", ())
