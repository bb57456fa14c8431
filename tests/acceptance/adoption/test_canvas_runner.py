"""`make canvas` on a checkout of two files of our own, in the shape of Celery's."""

import subprocess
import sys

from sandbox.canvas import __main__ as runner
from tests.support.servers import ROOT

FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npython_classes = "test_*"\n',
    "t/integration/__init__.py": "",
    "t/integration/conftest.py": """
import os

import pytest
from celery.contrib.pytest import celery_app, celery_session_app, celery_session_worker


@pytest.fixture(scope="session")
def celery_config():
    return {"broker_url": os.environ["TEST_BROKER"], "result_backend": os.environ["TEST_BACKEND"]}


@pytest.fixture(scope="session")
def celery_enable_logging():
    return True


@pytest.fixture(scope="session")
def celery_worker_pool():
    return "prefork"


@pytest.fixture(scope="session")
def celery_includes():
    return {"t.integration.tasks"}


@pytest.fixture(scope="session")
def celery_class_tasks():
    from t.integration.tasks import Doubles
    return [Doubles]
""",
    "t/integration/tasks.py": """
from celery import Task, shared_task


@shared_task
def add(x, y):
    return x + y


@shared_task(bind=True)
def where(self):
    from celeriac.jobs.running.current import current_job
    return [str(current_job().id) == self.request.id, current_job().kind]


class Doubles(Task):
    name = "doubles"

    def run(self, x):
        return 2 * x
""",
    "t/integration/test_tasks.py": """
import pytest

from .tasks import Doubles, add, where


class test_small:
    def test_a_task_is_a_job_on_a_real_worker(self, celery_session_worker):
        assert where.delay().get(timeout=10) == [True, "t.integration.tasks.where"]

    def test_a_class_of_their_own(self, celery_session_app, celery_session_worker):
        assert celery_session_app.register_task(Doubles()).delay(2).get(timeout=10) == 4

    def test_the_log_of_the_worker_is_here(self, celery_session_worker, caplog):
        call = add.s(1, 2).set(argsrepr="(own)").delay()
        assert call.get(timeout=10) == 3
        told = [each for each in caplog.records if getattr(each, "data", {}).get("id") == call.id]
        assert [each.name for each in told] == ["celery.worker.strategy", "celery.app.trace"]
        assert {each.data["args"] for each in told} == {"(own)"}

    def test_wrong(self, celery_session_worker):
        assert add.delay(1, 2).get(timeout=10) == 4

    def test_elsewhere(self):
        pytest.skip("not here")
""",
}


def test_the_runner_tells_what_passed_failed_and_skipped(tmp_path, capsys):
    """Their files as they are, a worker of its own, and every task a job."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [sys.executable, "-m", "sandbox.canvas", tmp_path]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 120, "check": False}
    done = subprocess.run(command, **options)
    assert "test_tasks.py: 5 tests: 1 failed, 3 passed, 1 skipped" in done.stdout, done.stdout
    assert "| test_tasks.py::test_small::test_wrong | failed | assert 3 == 4" in done.stdout
    assert "| test_tasks.py::test_small::test_elsewhere | skipped | not here |" in done.stdout
    assert "test_wrong failed, and the guide gives no reason." in done.stdout
    assert done.returncode == 1
    assert runner.main([str(ROOT)]) == 2
    assert "is no checkout of Celery" in capsys.readouterr().out
