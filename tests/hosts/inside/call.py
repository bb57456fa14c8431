"""Inside a project: call each of its tasks as its code does, and say as JSON what came of it.

Its standard input is a list of [name, arguments]; nothing of the library is imported where the
project has not moved in.
"""

import contextlib
import json
import sys

import django

django.setup()

from celery import current_app  # noqa: E402 a project's apps come first
from django.apps import apps  # noqa: E402
from django.db import transaction  # noqa: E402

#: Seconds that a task may take.
PATIENCE = 120


class Undone(Exception):
    """Raised to roll back."""


def call(name, args):
    """Call a task, wait, and return its state and what came of it."""
    result = current_app.tasks[name].delay(*args)
    with contextlib.suppress(Exception):
        result.get(timeout=PATIENCE)
    value = result.result
    return [result.id, result.state, value if isinstance(value, str | int | None) else repr(value)]


def undone(name, args):
    """Call it in a transaction that is rolled back; return the id that it had."""
    with contextlib.suppress(Undone), transaction.atomic():
        result = current_app.tasks[name].delay(*args)
        raise Undone
    return result.id


def rows():
    """Return how many rows the project's own tables have."""
    others = ("celeriac_", "contenttypes.", "auth.Permission", "django_celery_beat.")
    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.managed and not model._meta.label.startswith(others)
    }


def main():
    """Do all, and print it as one line."""
    current_app.loader.import_default_modules()
    calls = json.load(sys.stdin)
    said = {"calls": [[name, *call(name, args)] for name, args in calls]}
    said["undone"] = [[name, undone(name, args)] for name, args in calls]
    said["after"] = [[name, *call(name, args)] for name, args in calls[:1]]
    said["rows"] = rows()
    print("SAID " + json.dumps(said, default=repr))


main()
