"""Projects with a schema for each tenant (django-tenants): the ledger is in the one they share.

A job's tenant is the schema that was in use where it was enqueued, and its handler runs in that
schema. The package itself is never imported: a backend that has `set_tenant` has schemas.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection

from celeriac.jobs.outcomes import GiveUp

_AS_IT_IS: AbstractContextManager[None] = nullcontext()
#: Where the engine's own kinds are declared: what they touch is in the shared schema.
_ENGINE = "celeriac.builtin"


def has_schemas() -> bool:
    """Return whether the ledger's connection has a schema for each tenant."""
    return hasattr(connection, "set_tenant")


def shared_schema() -> str:
    """Return the name of the schema that all tenants share."""
    return str(getattr(settings, "PUBLIC_SCHEMA_NAME", "public"))


def current_tenant() -> str:
    """Return the tenant whose schema is in use here; '' for the shared one, and without schemas."""
    name = getattr(connection, "schema_name", None) or ""
    return "" if not name or name == shared_schema() else str(name)


def key_within(tenant: str, key: str) -> str:
    """Return a unique key as it stands in the ledger: each schema has rows, and ids, of its own."""
    return f"{tenant}:{key}" if tenant and has_schemas() else key


def entered(tenant: str, handler: Callable[..., Any]) -> AbstractContextManager[None]:
    """Return a block in which this thread works in a tenant's schema, and then where it did before.

    Raises:
        GiveUp: there is no such tenant.
    """
    return _entered(tenant, handler) if has_schemas() else _AS_IT_IS


@contextmanager
def _entered(tenant: str, handler: Callable[..., Any]) -> Iterator[None]:
    before = enter(tenant, handler)
    try:
        yield
    finally:
        leave(before)


def enter(tenant: str, handler: Callable[..., Any]) -> object:
    """Let this thread work in a tenant's schema; return what `leave` takes.

    Raises:
        GiveUp: there is no such tenant.
    """
    if not has_schemas():
        return None
    here: Any = connection
    before = here.tenant, here.include_public_schema
    is_engines = getattr(handler, "__module__", "").startswith(_ENGINE)
    if not tenant or is_engines or tenant == shared_schema():
        if current_tenant():
            here.set_schema_to_public()
    elif tenant != here.schema_name:
        here.set_tenant(_tenant(tenant))
    return before


def leave(before: object) -> None:
    """Let this thread work again where it did before `enter`, whatever a handler did meanwhile."""
    if not isinstance(before, tuple):
        return
    here: Any = connection
    if (here.tenant, here.include_public_schema) != before:
        here.set_tenant(*before)


def _tenant(name: str) -> Any:
    """Return a tenant's row; its schema may be gone, and the search path would lead past it."""
    model = str(getattr(settings, "TENANT_MODEL", ""))
    found = apps.get_model(model)._default_manager.filter(schema_name=name).first()
    if found is None:
        raise GiveUp(
            f"There is no tenant {name!r}: it was removed, or tenant= names no schema of a {model}."
        )
    return found
