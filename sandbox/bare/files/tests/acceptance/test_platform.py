"""The platform as its Procfile starts it: what is enqueued runs, and what is scheduled is due."""

import pytest

from celeriac import enqueue
from celeriac.schedules.models import Beat
from sandbox.procfile import parts_of_procfile
from sandbox.run import with_venv
from tests.support.processes import wait_until


@pytest.fixture
def platform(processes):
    """Start the Procfile's dispatcher, worker and beat, on this test's servers."""
    parts = parts_of_procfile()
    for name in ("dispatcher", "worker", "beat"):
        env = with_venv({**processes.env, "PATH": "/usr/local/bin:/usr/bin:/bin"})
        processes.start(name, "/bin/sh", "-c", parts[name], env=env)


def test_a_job_runs_and_a_beat_beats(platform):
    """By a worker of the queue `maintenance`; beat has written that it lives."""
    handle = enqueue("maintenance.prune", {})
    wait_until(lambda: handle.state == "succeeded", timeout=120)
    wait_until(Beat.objects.filter(stopped_at=None).exists, timeout=120)
