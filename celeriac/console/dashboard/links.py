"""Where the dashboard's rows lead."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin.utils import quote
from django.db.models import Model

from celeriac.console.sites import address
from celeriac.jobs.models import Job


def jobs_link(**filters: str) -> str:
    """Return the list of jobs under filters."""
    return list_link(Job, **filters)


def page_link(model: type[Model], key: int | str | UUID) -> str:
    """Return the page of one row."""
    return address(_name(model, "change"), quote(key))


def list_link(model: type[Model], **filters: str) -> str:
    """Return the list of a model's rows, all or under filters."""
    found = address(_name(model, "changelist"))
    return f"{found}?{urlencode(filters)}" if filters else found


def _name(model: type[Model], page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
