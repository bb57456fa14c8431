"""A new action is one record: all that people and programs do it by follows."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import PermissionDenied
from django.core.management import call_command

from celeriac.console.actions import groups
from celeriac.console.actions.buttons import offering
from celeriac.console.admin.jobs.jobs import JobAdmin
from celeriac.console.management.commands.jobs import Command
from celeriac.core import clock
from celeriac.core.clock import NOW
from celeriac.core.models import Audit
from celeriac.http.authentication import AccountToken
from celeriac.http.urls import action_paths
from celeriac.jobs.models import Job
from celeriac.jobs.operating.actions import (
    ACTIONS,
    Action,
    actions_by_name,
    permissions_of,
    update_of_chosen,
)
from celeriac.jobs.states import State
from tests.factories import JobFactory, UserFactory
from tests.factories_api import GrantFactory, ServiceAccountFactory

pytestmark = pytest.mark.django_db

#: A throw-away copy, with an action that the library does not have.
COPY = ACTIONS | actions_by_name(
    Action(
        name="hold",
        label="Hold for an hour",
        title="Let this job wait for an hour",
        past="held",
        done="held for an hour",
        states=(State.QUEUED,),
        statement=update_of_chosen(f"run_at = {NOW} + interval '1 hour'"),
        codename="hold_job",
        permits="Can hold queued jobs",
        audited="job.hold",
        over_http=True,
        as_command=True,
    )
)


@pytest.fixture
def page():
    """Return an admin of jobs that offers the copy."""
    return offering(COPY.values())(type("Copied", (JobAdmin,), {}))(Job, admin.site)


@pytest.fixture
def asked(rf):
    """Return a maker of requests of somebody who may hold jobs, or may only look at them."""
    made = Permission.objects.create(
        content_type=ContentType.objects.get_for_model(Job),
        **dict(zip(("codename", "name"), permissions_of(COPY.values())[-1], strict=True)),
    )

    def ask(data=None, *, may=True):
        request = rf.post("/?state=queued", data) if data else rf.get("/")
        request.user = UserFactory(is_staff=True)
        request.user.user_permissions.set([made] if may else [])
        request._messages = CookieStorage(request)
        return request

    return ask


def is_held(job):
    """Return whether a job waits for an hour, and the trail says so."""
    job.refresh_from_db()
    entries = Audit.objects.filter(verb="job.hold", target_id=str(job.pk))
    return job.run_at > clock.db_now() + timedelta(minutes=59) and entries.count() == 1


def test_a_job_has_the_button_in_its_states(page, asked):
    """For those who may; it asks why, and does it."""
    job, busy = JobFactory(), JobFactory(state="running")

    def buttons(request, job):
        return [each.description for each in page.get_actions_detail(request, str(job.pk))]

    assert "Hold for an hour" in buttons(asked(), job)
    assert "Hold for an hour" not in buttons(asked(), busy)
    assert "Hold for an hour" not in buttons(asked(may=False), job)
    answer = {"_form_submitted": "on", "reason": "the provider is down"}
    with pytest.raises(PermissionDenied):
        page.hold(asked(answer, may=False), object_id=str(job.pk))
    request = asked(answer)
    assert page.hold(request, object_id=str(job.pk)).status_code == 302
    assert [str(said) for said in request._messages] == ["Held for an hour."]
    assert is_held(job)
    assert any(url.name == "celeriac_jobs_job_hold" for url in page.get_urls())


def test_the_list_of_jobs_offers_it_for_many(page, asked):
    """It leads to the preview, with the list's filter."""
    assert "hold_chosen" not in page.get_actions(asked(may=False))
    method, _, label = page.get_actions(asked())["hold_chosen"]
    assert label == "Hold for an hour…"
    answer = method(page, asked({"action": "hold_chosen"}), Job.objects.none())
    assert answer["Location"].endswith("/apply/hold/?state=queued")


def test_the_command_line_has_it():
    """As a verb of `manage.py jobs`."""
    job, out = JobFactory(), StringIO()
    command = type("Copied", (Command,), {"actions": COPY})
    call_command(command(), "hold", str(job.pk), "--reason=x", stdout=out)
    assert str(job.pk) in out.getvalue()
    assert is_held(job)


def test_programs_call_it(rf):
    """Those that were granted it."""
    account = ServiceAccountFactory()
    job = JobFactory(enqueued_by=account.origin)
    [hold] = [each for each in action_paths(COPY.values()) if each.name == "hold"]
    headers = {"authorization": f"Bearer {AccountToken.of(account)}"}

    def call():
        request = rf.post("/", b"{}", content_type="application/json", headers=headers)
        return hold.callback(request, job_id=job.pk).status_code

    assert call() == 403
    GrantFactory(account=account, kinds="*", verbs=["hold"])
    assert call() == 200
    assert is_held(job)


def test_the_permission_is_the_operators(page):
    """The model declares it, `migrate` makes it, and the group is given it."""
    assert ("hold_job", "Can hold queued jobs") in permissions_of(COPY.values())
    assert Job._meta.permissions == permissions_of(ACTIONS.values())
    assert groups.operated(COPY.values()) - groups.operated() == {"celeriac_jobs.hold_job"}
