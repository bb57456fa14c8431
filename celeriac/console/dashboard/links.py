"""Where the dashboard's rows lead."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin.utils import quote
from django.urls import reverse


def jobs(**filters: str) -> str:
    """Return the list of jobs under filters."""
    return _list("celeriac_jobs_job", filters)


def attempts(**filters: str) -> str:
    """Return the list of attempts under filters."""
    return _list("celeriac_jobs_attempt", filters)


def page(model: str, key: int | str | UUID) -> str:
    """Return the page of one row, such as `celeriac_jobs_worker`'s."""
    return reverse(f"admin:{model}_change", args=[quote(key)])


def every(model: str) -> str:
    """Return the list of a model's rows."""
    return _list(model, {})


def _list(model: str, filters: dict[str, str]) -> str:
    address = reverse(f"admin:{model}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address
