"""A page to read, and hands that bring jobs into every situation through the real services."""

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from celeriac.core import clock
from celeriac.jobs.running.claim import claim_jobs
from celeriac.jobs.running.execute import capabilities
from tests.integration.jobs.dispatching import Harness, hire
from tests.support.providers import _gateway_server, circuits, gateway  # noqa: F401 fixtures


@pytest.fixture
def staff(client, django_user_model):
    """Return a client that is signed in as a user who may do everything."""
    client.force_login(django_user_model.objects.create_superuser("root@example.com", "x"))
    return client


@pytest.fixture
def read(staff):
    """Return a function that returns a job's page as the text that a person reads."""

    def read(job):
        answer = staff.get(reverse("admin:celeriac_jobs_job_change", args=[job.pk]))
        assert answer.status_code == 200
        return Page(answer)

    return read


class Page:
    """What a job's page says."""

    def __init__(self, answer):
        """Take the answer apart."""
        self.text = " ".join(
            html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split()
        )
        self.source = answer.content.decode()
        story = answer.context["job_page"]
        self.code, self.said = story["said"].code, story["said"]
        self.events = [event.title for event, _ in story["events"]]
        self.links = {link.text: page for link, page in story["links"]}

    @property
    def sentence(self):
        """The sentence at the top, if the page really shows it."""
        assert " ".join(self.said.sentence.split()) in self.text
        return self.said.sentence

    @property
    def steps(self):
        """What to do, each as (verb, command)."""
        assert all(" ".join(step.text.split()) in self.text for step in self.said.steps)
        return [(step.verb, step.command) for step in self.said.steps]


@pytest.fixture
def dispatcher():
    """Return a dispatcher that holds all queues, its clock in the test's hand."""
    return Harness()


@pytest.fixture
def worker():
    """Return the id of a living worker of the default queue."""
    return hire()


@pytest.fixture
def start():
    """Return a function that claims a job as a worker does."""

    def start(job, worker):
        (claimed,) = claim_jobs([job.id], claim_id=uuid4(), worker=worker, known=capabilities())
        return claimed

    return start


@pytest.fixture
def later():
    """Return a context manager in which the database's clock is so many seconds ahead."""
    return lambda seconds: clock.offset_clock(timedelta(seconds=seconds))
