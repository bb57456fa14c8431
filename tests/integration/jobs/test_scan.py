"""`manage.py celeriac scan`: the text of a project, and the tasks that its app has."""

import json
from io import StringIO

import pytest
from celery import Task, current_app, shared_task
from django.core.management import call_command

from celeriac.celery.registered import registered_tasks
from tests.support.servers import ROOT


class Own(Task):
    """A class of a project's own."""

    acks_late = True


@shared_task(
    base=Own, name="scanned.late", soft_time_limit=50, time_limit=60, reject_on_worker_lost=True
)
def scanned_late():
    """A task with options of its own."""


def made(**options):
    """Declare tasks in a way that no text tells."""
    return shared_task(**options)


@made(name="scanned.made", soft_time_limit=7)
def scanned_made():
    """A task whose options only the app knows."""


@pytest.fixture
def scanned():
    """Scan this folder by the command, and return its JSON by the name of the task."""
    current_app.finalize()
    written = StringIO()
    with pytest.raises(SystemExit):
        call_command("celeriac", "scan", str(ROOT / "tests"), "--json", stdout=written)
    found = json.loads(written.getvalue())
    return {each["name"]: each for each in found["tasks"]}


def test_the_app_says_how_its_tasks_are_really_set_up():
    """Names, limits with the settings behind them, and the classes of the project's own."""
    current_app.finalize()
    found = {each.name: each for each in registered_tasks()}
    late = found["scanned.late"]
    assert (late.module, late.function) == (__name__, "scanned_late")
    assert late.options["acks_late"] is True
    assert late.options["time_limit"] == 60
    assert late.bases == (f"{__name__}.Own",)
    assert found["scanned.made"].options["soft_time_limit"] == 7
    assert not [name for name in found if name.startswith(("celery.", "maintenance."))]


def test_the_command_says_what_only_the_app_knows(scanned):
    """A task that no text declares is listed, and that its calls can't be seen."""
    made = scanned["scanned.made"]
    assert made["limits"]["soft"] == 7
    assert made["verdict"] == "unknown"
    assert "its calls can't be seen" in made["remarks"][0]["text"]
    assert scanned["scanned.late"]["delivery"] == "again"
