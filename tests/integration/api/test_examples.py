"""The examples in docs/examples, run as they stand against a real server and a real worker."""

import json

import pytest

from celeriac.http import services
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.models import Job
from tests.app.models import Effect
from tests.integration.api.conftest import make_account
from tests.support.examples import end_example, examples, run_example

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(web, db):
    """Return a function that runs an example twice under one key: its output."""
    account = make_account(kinds="test.note", verbs=["enqueue", "read"])
    secret = services.make_secret(account=account, actor="test")
    given = {"CELERIAC_URL": web.url, "CLIENT_ID": account.name, "CLIENT_SECRET": secret}
    given |= {"KEY": "once", "KIND": "test.note"}

    def ended(name, command, **wrong):
        run_it = end_example if wrong else run_example
        return run_it(*command, **(given | {"ARGS": json.dumps({"name": name})} | wrong))

    return ended


def test_every_example_enqueues_waits_and_is_safe_to_repeat(run, processes):
    """curl, Python, and JavaScript where there is a node."""
    queues.make_queue_rows()
    commands = examples()
    processes.dispatcher()
    processes.worker(queues=["default"], concurrency=1)
    for name, command in commands.items():
        Job.objects.all().delete()
        first, again = run(name, command), run(name, command)
        assert first == again == [str(Job.objects.get().id), "succeeded"]
        assert Effect.objects.filter(name=name).count() == 1
    shell = commands["curl"]
    for wrong in (
        {"ARGS": '{"name": "another"}'},
        {"KIND": "test.unknown", "KEY": "other"},
        {"CLIENT_SECRET": "wrong"},
    ):
        ended = run(name, shell, **wrong)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "urn:celeriac:problem:" in ended.stderr
        assert ended.stderr.count("curl: (22)") == 1
    if "JavaScript" not in commands:
        pytest.skip("curl and Python ran; no node here for docs/examples/client.mjs")
