"""Click through the console of a stranger's project, and print what was not as it should be."""

import re
import sys
from urllib.parse import urlsplit

import django

django.setup()

from django.apps import apps  # noqa: E402 what follows needs the apps
from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: E402

from celeriac import enqueue, job  # noqa: E402
from celeriac.breakers.models import Breaker  # noqa: E402
from celeriac.celery import Celery  # noqa: E402
from celeriac.console.sites import address, site_of_pages  # noqa: E402
from celeriac.core.models import Audit  # noqa: E402
from celeriac.jobs.models import Job, Queue  # noqa: E402

app = Celery("host")


@job("host.add")
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def changed(model, key, button):
    """Return the address of a button."""
    meta = model._meta
    return address(f"admin:{meta.app_label}_{meta.model_name}_{button}", key)


def press(client, model, key, button, **fields):
    """Press a button: see its form, refuse it without a reason, and send it."""
    place = changed(model, key, button)
    form = client.get(place)
    assert form.status_code == 200, (place, form.status_code)
    assert 'name="reason"' in form.text, place
    assert form.text.count(f'href="{changed(model, key, "change")}"') == 2, "two ways back"
    assert client.post(place, {"reason": ""}).status_code == 200, "a reason is asked for"
    done = client.post(place, {"reason": "as told", **fields}, follow=True)
    assert done.status_code == 200, place
    assert done.redirect_chain[-1][0] == changed(model, key, "change"), done.redirect_chain
    return done


def main():
    """Do what an operator does."""
    setup_test_environment()
    call_command("migrate", verbosity=0)
    assert not apps.is_installed("unfold")
    assert "unfold" not in sys.modules
    assert "sentry_sdk" not in sys.modules
    assert admin.ModelAdmin.paginator is Paginator
    assert admin.site.index_template is None
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for name in ("payments", "callbacks"):
        Breaker.objects.get_or_create(name=name)
    jobs = [enqueue("host.add", {"a": 1, "b": each}) for each in range(60)]
    first, second = jobs[0].id, jobs[1].id
    walk(client)
    buttons(client, first)
    in_bulk(client, second)
    schedules(client)
    landing(client)
    print("fine")


def walk(client):
    """Open each list, its second page, and a row's page; links lead to pages."""
    for model, page in site_of_pages()._registry.items():
        if not type(page).__module__.startswith("celeriac."):
            continue
        place = changed_list(model)
        for query in ("", "?p=2", "?q=host"):
            answer = client.get(place + query)
            assert answer.status_code == 200, (place, query, answer.status_code)
            assert "matching results" not in answer.text, place
        row = model._default_manager.first()
        if row is not None:
            follow(client, changed(model, row.pk, "change"))


def changed_list(model):
    """Return the address of a list."""
    return address(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def follow(client, place):
    """Open a page and what it links to."""
    answer = client.get(place)
    assert answer.status_code == 200, (place, answer.status_code)
    for link in set(re.findall(r'href="(/(?:backstage|ops)/[^"#]*)"', answer.text)):
        if "logout" not in link:
            assert client.get(link).status_code in (200, 302), (place, link)


def buttons(client, job_id):
    """Cancel and retry a job, pause and resume a queue, force a circuit."""
    before = Audit.objects.count()
    assert ">Cancel<" in client.get(changed(Job, job_id, "change")).text
    press(client, Job, job_id, "cancel")
    assert Job.objects.get(pk=job_id).state == "cancelled"
    assert ">Cancel<" not in client.get(changed(Job, job_id, "change")).text
    press(client, Job, job_id, "retry")
    assert Job.objects.get(pk=job_id).state == "queued"
    press(client, Queue, "default", "pause", minutes="5")
    assert Queue.objects.get(name="default").paused_at
    press(client, Queue, "default", "resume")
    assert not Queue.objects.get(name="default").paused_at
    press(client, Breaker, "payments", "force_open")
    assert Breaker.objects.get(name="payments").forced == "open"
    assert Audit.objects.count() == before + 5


def schedules(client):
    """Look at a new schedule's form; pause and resume one, run it now, backfill two hours."""
    assert client.get(changed_list(PeriodicTask) + "add/").status_code == 200
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    task = PeriodicTask.objects.create(
        name="hourly", task="host.add", interval=hourly, kwargs='{"a": 1, "b": 2}'
    )
    press(client, PeriodicTask, task.pk, "pause", minutes="5")
    stretch = {"start_0": "2026-01-01", "start_1": "00:00", "end_0": "2026-01-01", "end_1": "02:00"}
    for button, fields in (("resume", {}), ("run_now", {}), ("backfill", stretch)):
        place = changed(PeriodicTask, task.pk, button)
        assert client.get(place).status_code == 200, place
        done = client.post(place, {"reason": "", **fields}, follow=True)
        assert done.redirect_chain, (place, done.text)
        assert done.redirect_chain[-1][0] == changed(PeriodicTask, task.pk, "change")
    assert Job.objects.filter(tick__isnull=False).count() == 3
    verbs = Audit.objects.filter(target_type="schedule").values_list("verb", flat=True)
    assert set(verbs) == {f"schedule.{verb}" for verb in ("pause", "resume", "run", "backfill")}
    follow(client, changed(PeriodicTask, task.pk, "change"))
    walk(client)


def in_bulk(client, job_id):
    """Cancel a chosen job: led to the page that asks, which then does it."""
    chosen = {"action": "cancel_chosen", "_selected_action": [str(job_id)]}
    asked = client.post(changed_list(Job), chosen, follow=True)
    assert asked.status_code == 200, asked.status_code
    (confirm,) = re.findall(r'name="confirm" value="([^"]+)"', asked.text)
    place = urlsplit(asked.redirect_chain[-1][0]).path
    sent = {"ids": str(job_id), "confirm": confirm, "seen": "1", "reason": "as told"}
    done = client.post(place, sent, follow=True)
    assert "/bulkaction/" in done.redirect_chain[-1][0], done.text
    assert Job.objects.get(pk=job_id).state == "cancelled"


def landing(client):
    """The dashboard, its data, the dead letters, and the project's own landing page."""
    for page in ("celeriac_dashboard", "ops_dead_letters"):
        assert client.get(address(f"admin:{page}")).status_code == 200, page
    assert "attention" in client.get(address("admin:celeriac_dashboard_data")).json()
    theirs = client.get("/backstage/").text
    assert "Site administration" in theirs
    assert 'id="dashboard"' not in theirs


if __name__ == "__main__":
    main()
