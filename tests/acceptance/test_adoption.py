"""A project's own app with a real worker: who sends what, and what becomes a job."""

import os
from uuid import uuid4

import celery
import pytest

from celeriac.celery.headers import HEADER, PLAIN
from celeriac.jobs.models import Job
from tests.app.models import Effect
from tests.support.processes import wait_until


@pytest.fixture
def elsewhere():
    """Return what sends tasks by name, and knows no ledger."""
    app = celery.Celery("elsewhere", broker=os.environ["BROKER_URL"], set_as_current=False)
    yield lambda name, args, **options: app.send_task(name, args, queue="default", **options)
    app.close()


def effects(name):
    """Return how often a task left this effect."""
    return Effect.objects.filter(name=name).count()


def test_messages_from_elsewhere_and_beat_become_jobs(processes, elsewhere, tmp_path):
    """Once an id, with what they said; what is to be plain runs as ever, and any beat fires."""
    processes.dispatcher()
    processes.worker(app="tests.app.acme", queues=["default"])
    command = ("-m", "celery", "-A", "tests.app.acme", "beat", "-s", str(tmp_path / "beat"))
    beat = processes.python("beat", *command)
    mine = str(uuid4())
    for _ in range(2):
        elsewhere("acme.note", ["sent"], task_id=mine, headers={"trace": "t"}, priority=3)
    elsewhere("acme.note", ["named"], task_id="mine", expires=600, time_limit=50)
    elsewhere("acme.note", ["late"], countdown=3600)
    elsewhere("acme.note", ["plain"], headers={HEADER: PLAIN})
    elsewhere("acme.note", ["linked"], link=celery.Signature("other.note", args=("link",)))
    elsewhere("other.note", ["other"])
    ran = ("sent", "named", "plain", "linked", "other", "ticked")
    wait_until(lambda: all(effects(name) for name in ran), message="all run")
    beat.stop()
    sent, named = Job.objects.get(pk=mine), Job.objects.get(task_id="mine")
    wait_until(lambda: not Job.objects.queued().exclude(args__args=["late"]).exists())
    assert effects("sent") == 1
    assert sent.headers == {"trace": "t", "delivery_info": {"priority": 3}}
    assert (sent.priority, sent.state) == (-3, "succeeded")
    assert named.headers["timelimit"] == [50, None]
    assert named.expires_at is not None
    assert Job.objects.queued().get().args["args"] == ["late"]
    assert set(Job.objects.filter(args__args=["ticked"]).values_list("enqueued_by", flat=True)) == {
        "beat"
    }
    assert not Job.objects.filter(args__args__0__in=["plain", "linked"]).exists()
