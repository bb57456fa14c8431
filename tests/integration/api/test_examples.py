"""The examples in docs/examples, run as they stand against a real server and a real worker."""

import shutil
import subprocess
import sys

import pytest

from apps.api import services
from apps.jobs.enqueueing import queues
from apps.jobs.models import Job
from tests.app.models import Effect
from tests.integration.api.conftest import make_account
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def run(web, db):
    """Return a function that runs an example twice under one key: its output."""
    account = make_account(kinds="test.note", verbs=["enqueue", "read"])
    secret = services.make_secret(account=account, actor="test")
    given = {"CELERIAC_URL": web.url, "CLIENT_ID": account.name, "CLIENT_SECRET": secret}

    def run(*command):
        done = subprocess.run(
            [str(part) for part in command],
            env=given | {"PATH": "/usr/local/bin:/usr/bin:/bin", "KEY": "once", "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()

    return run


def test_every_example_enqueues_waits_and_is_safe_to_repeat(run, processes):
    """curl, Python, and JavaScript where there is a node."""
    queues.make_rows()
    commands = {
        "from curl": [EXAMPLES / "enqueue.sh"],
        "from Python": [sys.executable, EXAMPLES / "client.py"],
        "from JavaScript": ["node", EXAMPLES / "client.mjs"],
    }
    if shutil.which("node") is None:
        del commands["from JavaScript"]
    processes.dispatcher()
    processes.worker(queues=["default"], concurrency=1)
    for name, command in commands.items():
        Job.objects.all().delete()
        first, again = run(*command), run(*command)
        assert first == again == [str(Job.objects.get().id), "succeeded"]
        assert Effect.objects.filter(name=name).count() == 1
    if "from JavaScript" not in commands:
        pytest.skip("curl and Python ran; no node here for docs/examples/client.mjs")
