"""What makes Celery's own tests run on the ledger: their app's class, and a real worker.

Nothing of theirs is changed: their fixtures ask Celery's test tools for an app and for a worker.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import celery.contrib.testing.app
import celery.contrib.testing.worker
import django
import pytest

django.setup()

from celeriac.celery import Celery  # noqa: E402 once Django is set up
from sandbox.canvas.logs import receive_logs  # noqa: E402 see above

#: Seconds that a worker may take to answer the first time.
_PATIENCE = 60
#: Of their own modules: whose tasks a worker must know.
_THEIRS = "t."

_results: dict[str, dict[str, str]] = {}


@contextmanager
def start_worker(
    app: Any, concurrency: int = 1, pool: str = "prefork", **_: object
) -> Iterator[Any]:
    """Start a worker of the app in a process of its own, where theirs is a thread of ours."""
    port, close = receive_logs()
    variables = os.environ | {"CANVAS_APP": _described(app), "CANVAS_LOG_PORT": str(port)}
    del variables["CANVAS_TESTS"]
    command = [sys.executable, "-m", "celery", "-A", "sandbox.canvas.app", "worker"]
    command += [f"--concurrency={concurrency}", f"--pool={pool}", "--loglevel=INFO"]
    with (Path(os.environ["CANVAS_LOGS"]) / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        _wait_for_answer(app, worker)
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(_PATIENCE)
        close()


def _wait_for_answer(app: Any, worker: subprocess.Popen[bytes]) -> None:
    """Have a plain task answered, as their own tool does."""
    from celery.contrib.testing.tasks import ping
    from celery.result import allow_join_result

    app.set_current()
    app.set_default()
    if worker.poll() is not None:
        pytest.exit("The worker did not start: see worker.log.", 3)
    with allow_join_result():
        assert ping.delay().get(timeout=_PATIENCE) == "pong"  # noqa: S101 as there


def _described(app: Any) -> str:
    """Return what the worker's app is to be: its configuration, their modules and task classes."""
    kept = app.conf.table(with_defaults=False, censored=False)
    classes = [(type(task).__module__, type(task).__name__) for task in app.tasks.values()]
    theirs = sorted({module for module, _ in classes if module.startswith(_THEIRS)})
    own = [
        (module, name)
        for module, name in classes
        if module in theirs and isinstance(vars(sys.modules[module]).get(name), type)
    ]
    modules = [*theirs, "celery.contrib.testing.tasks"]
    described = {"name": app.main, "config": kept, "modules": modules, "classes": own}
    return json.dumps(described, default=sorted)


def pytest_configure(config: Any) -> None:
    """Give their tools the ledger's app class, and our worker."""
    vars(celery.contrib.testing.app)["Celery"] = Celery
    vars(celery.contrib.testing.worker)["start_worker"] = start_worker


def pytest_runtest_logreport(report: Any) -> None:
    """Note what became of a test: its call, unless what came before or after it failed."""
    if report.when != "call" and report.passed:
        return
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    before = _results.get(report.nodeid)
    if before is None or before["outcome"] == "passed":
        name = report.nodeid.removeprefix("t/integration/")
        _results[report.nodeid] = {"name": name, "outcome": outcome, "why": _why(report)}


def _why(report: Any) -> str:
    if isinstance(report.longrepr, tuple):  # of a skip: file, line, reason
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(str(getattr(crash, "message", report.longrepr or "")).split())[:300]


def pytest_sessionfinish(session: Any) -> None:
    """Leave the results to whoever started us."""
    Path(os.environ["CANVAS_RESULTS"]).write_text(json.dumps(list(_results.values())))
