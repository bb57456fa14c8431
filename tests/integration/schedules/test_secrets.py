"""A schedule's secret arguments: shown to nobody, and kept by whoever edits the rest."""

import html
import json

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from celeriac.jobs import registry
from celeriac.jobs.redaction import MASK
from celeriac.jobs.schema import Schema
from celeriac.schedules.redacted_arguments import TaskArguments
from tests.factories import UserFactory
from tests.factories_schedules import PeriodicTaskFactory
from tests.integration.schedules.test_admin import change_url, form

pytestmark = pytest.mark.django_db

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def kind():
    """Declare a kind with a secret for each test."""

    def export(bucket: str, token: str, days: int = 1) -> None:
        """Do nothing."""

    schema = Schema.of(export)
    registry.declare_kind(registry.Kind("test.export", export, schema, redact=("token",)))
    yield
    registry.forget_kind("test.export")


def make(**fields):
    """Make a schedule of that kind; its arguments by name, unless told otherwise."""
    fields.setdefault("kwargs", json.dumps({"bucket": "b", "token": SECRET}))
    return PeriodicTaskFactory(name="export", task="test.export", **fields)


@pytest.fixture
def administrator(client):
    """Return a client of somebody who may do everything."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def viewer(client):
    """Return a client of somebody who may look at schedules."""
    user = UserFactory(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_periodictask"))
    client.force_login(user)
    return client


@pytest.mark.parametrize("who", ["administrator", "viewer"])
@pytest.mark.parametrize(
    "given",
    [{}, {"args": json.dumps(["b", SECRET]), "kwargs": "{}"}],
    ids=["by name", "by position"],
)
def test_a_secret_argument_is_masked_on_the_schedules_page(who, given, request):
    """For people who may edit it, and for those who may only look."""
    client, task = request.getfixturevalue(who), make(**given)
    page = html.unescape(client.get(change_url(task)).content.decode())
    assert SECRET not in page
    assert MASK in page
    assert '"b"' in page


def test_a_mask_that_is_left_keeps_what_it_hides(administrator):
    """What stands beside it may be edited."""
    task = make()
    shown = TaskArguments.of(task).shown()["kwargs"]
    answer = administrator.post(
        change_url(task),
        form(name="export", task="test.export", every="5", kwargs=shown.replace('"b"', '"c"')),
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    task = PeriodicTask.objects.get()
    assert json.loads(task.kwargs) == {"bucket": "c", "token": SECRET}


def test_a_mask_left_among_arguments_by_position_keeps_what_it_hides(administrator):
    """Those have names as well, by their place."""
    task = make(args=json.dumps(["b", SECRET]), kwargs="{}")
    shown = TaskArguments.of(task).shown()
    fields = form(name="export", task="test.export", every="5") | shown
    answer = administrator.post(change_url(task), fields)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    task = PeriodicTask.objects.get()
    assert json.loads(task.args) == ["b", SECRET]


def test_a_mask_that_hides_nothing_is_refused(administrator):
    """It would be taken for the value."""
    task = make()
    kwargs = json.dumps({"bucket": MASK, "token": MASK}, ensure_ascii=False)
    fields = form(name="export", task="test.export", every="5", kwargs=kwargs)
    answer = administrator.post(change_url(task), fields)
    assert "write the value itself" in str(answer.context["adminform"].form.errors["kwargs"])


def test_nobody_can_guess_it_through_the_address_of_the_list(viewer):
    """Rows that come or stay away would tell it letter by letter."""
    make()
    asked = {"kwargs__contains": SECRET[:3]}
    page = reverse("admin:django_celery_beat_periodictask_changelist")
    assert viewer.get(page, asked).status_code == 400


def test_arguments_nested_too_deep_to_be_read_open_a_page(administrator):
    """On which they can be put right."""
    deep = '{"bucket": ' + "[" * 100_000 + "]" * 100_000 + "}"
    task = make()
    PeriodicTask.objects.filter(pk=task.pk).update(kwargs=deep)
    assert administrator.get(change_url(task)).status_code == 200
