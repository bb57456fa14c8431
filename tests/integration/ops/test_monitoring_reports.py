"""Errors are reported and spans made only where that is configured, and nothing personal leaves."""

import gzip
import json
import subprocess
import sys

import pytest

from celeriac.core import reporting, tracing
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.testing import drain
from sandbox.common.http import LoopbackServer, Response
from tests.support.servers import ROOT


@pytest.fixture
def sink():
    """Yield a server with the requests that it got."""
    requests = []

    def keep(request):
        requests.append(request)
        return Response.of_json({})

    server = LoopbackServer(keep)
    server.start()
    yield server, requests
    server.stop()


PROGRAM = """
import django
django.setup()
from django.db import connection
from celeriac.core import reporting
def handler(card):
    raise ValueError(f"the card {int('1111') + 3000} was refused")
try:
    handler(str(0x28757B2))
except ValueError as error:
    tags = {"job_id": "j-1", "kind": "test.fail"}
    redact = lambda text: text.replace("4111", "•••")
    reporting.report_error(error, level="warning", redact=redact, tags=tags)
import sentry_sdk
sentry_sdk.flush(20)
"""


def test_an_error_is_reported_with_its_job_and_without_values(sink, process_env):
    """A real process, a real client, and a sink in place of Sentry."""
    server, requests = sink
    dsn = server.url.replace("http://", "http://public@") + "/1"
    env = process_env | {"SENTRY_DSN": dsn, "SENTRY_ENVIRONMENT": "test", "PATH": "/bin"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (event,) = [found for request in requests for found in events(request)]
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "the card ••• was refused")
    assert event["tags"] == {"job_id": "j-1", "kind": "test.fail"}
    assert (event["level"], event["environment"]) == ("warning", "test")
    assert "42424242" not in json.dumps(event)
    assert "4111" not in json.dumps(event)


def events(request):
    """Yield the events of an envelope."""
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    lines = body.splitlines()
    for head, item in zip(lines[1::2], lines[2::2], strict=False):
        if json.loads(head).get("type") == "event":
            yield json.loads(item)


@pytest.mark.django_db
def test_a_failed_run_is_reported_and_the_last_one_as_an_error(monkeypatch):
    """With the ids that its log lines bear."""
    seen = []
    monkeypatch.setattr(
        reporting,
        "report_error",
        lambda error, *, level, redact, tags: seen.append((str(error), level, tags)),
    )
    job = enqueue("test.fail", {"message": "no luck"})
    enqueue("test.snooze", {})
    drain(with_scheduled=True)
    assert [(text, level) for text, level, _ in seen] == [
        ("no luck", "warning"),
        ("no luck", "warning"),
        ("no luck", "error"),
    ]
    assert seen[0][2]["job_id"] == str(job.id)
    assert [tags["attempt"] for _, _, tags in seen] == ["1", "2", "3"]


@pytest.mark.django_db
def test_nothing_is_traced_where_the_project_has_set_no_provider():
    """No span, no column."""
    job = enqueue("test.note", {"name": "a"})
    job.refresh_from_db()
    assert job.trace is None
    assert tracing.traceparent() is None
    with tracing.span("x") as span:
        assert span is None
    assert not tracing.is_on()
    assert tracing.with_headers({"a": "b"}) == {"a": "b"}
