"""Signals of a real platform: one trace through four processes, true counts, errors reported."""

import gzip
import json
import threading
from itertools import pairwise
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
import stripe
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from celeriac import enqueue
from celeriac.core.models import Counter
from celeriac.jobs.models import Job
from sandbox.common.http import LoopbackServer, Response
from sandbox.ports import free_port, wait_for_port
from tests.acceptance.conftest import queues  # noqa: F401 a fixture
from tests.integration.ops.monitoring_support import value
from tests.support.processes import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SECRET = "whsec_test"
TOKEN = "scrape-me"


class Sink:
    """A server that keeps what it is sent, and answers with the same JSON always."""

    def __init__(self, answer, status):
        """Listen on a free port of loopback."""
        self.requests = []
        self._lock = threading.Lock()
        self._answer = Response.of_json(answer, status)
        self.server = LoopbackServer(self._keep)
        self.server.start()

    def _keep(self, request):
        with self._lock:
            self.requests.append(request)
        return self._answer

    @property
    def bodies(self):
        """What was sent, unpacked."""
        return [
            gzip.decompress(each.body) if each.headers.get("content-encoding") else each.body
            for each in self.requests
        ]


@pytest.fixture
def make_sink():
    """Return a function that starts sinks, which end with the test."""
    sinks = []

    def make(answer=None, status=200):
        sinks.append(Sink(answer or {}, status))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.server.stop()


@pytest.fixture
def start_web(processes):
    """Return a function that starts a web server and returns its address."""

    def start(env):
        port = free_port()
        command = ["-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
        command += ["--workers", "1", "--threads", "2", "--no-control-socket"]
        process = processes.python("web", *command, env=env)
        wait_for_port(port, timeout=120)
        return f"http://127.0.0.1:{port}", process

    return start


@pytest.fixture
def platform(processes, start_web, make_sink):
    """Run web, dispatcher and worker, with sinks in place of gateway and collector."""
    error = {"type": "invalid_request_error", "code": "resource_missing", "message": "none"}
    found = SimpleNamespace(collector=make_sink(), gateway=make_sink({"error": error}, 404))
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": found.collector.server.url,
        "STRIPE_API_BASE": found.gateway.server.url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "METRICS_PUBLISH": "1",
        "METRICS_PUBLISH_SECONDS": "0.5",
        "METRICS_TOKEN": TOKEN,
        "CELERIAC_HEARTBEAT_SECONDS": "0.5",
        "LOG_FORMAT": "json",
    }
    processes.dispatcher(env=env)
    found.worker = processes.worker(queues=["payments"], env=env)
    found.url, found.web = start_web(env)
    return found


def test_one_trace_leads_from_a_request_to_the_providers_and_counts_add_up(platform):
    """A webhook's request, its job, its run and the call of the gateway are one trace.

    The counts of the web server and of the worker's children are in the same totals, also
    after both have ended.
    """
    answer = deliver(platform.url, {"traceparent": PARENT})
    assert answer.status_code == 200, answer.text
    job = wait_until(lambda: Job.objects.filter(state="succeeded").first(), timeout=60)
    assert job.trace.split("-")[1] == TRACE
    (call,) = platform.gateway.requests
    assert call.headers["traceparent"].split("-")[1] == TRACE
    spans = wait_until(lambda: chain(platform.collector.bodies), timeout=60, message="four spans")
    # Each is the parent of the next, and the gateway was told of the last one.
    assert spans[-1].span_id.hex() == call.headers["traceparent"].split("-")[2]
    labels = {"kind": "payments.webhook", "queue": "payments"}
    page = wait_until(lambda: scraped(platform.url, labels), timeout=60, message="counts of both")
    assert value(page, "celeriac_rings_total", queue="payments") >= 1
    assert value(page, "celeriac_run_seconds_count", kind="payments.webhook") == 1
    deliver(platform.url, {})
    # Not beside the next one, which would take it along.
    wait_until(lambda: Job.objects.filter(state="succeeded").count() == 2, timeout=60)
    fatal = enqueue("test.die", {}, queue="payments")
    wait_until(lambda: Job.objects.filter(id=fatal.id, state="dead").exists(), timeout=60)
    assert platform.web.stop() == 0
    platform.worker.stop()
    judge_totals({tuple(json.loads(row.series)): row.cells for row in Counter.objects.all()})


def judge_totals(totals):
    """Compare what was counted in all with what happened."""
    assert totals["celeriac_jobs_enqueued_total", "payments.webhook", "payments"] == [2]
    assert totals["celeriac_runs_total", "payments.webhook", "payments", "succeeded"] == [2]
    # What the killed children ran is told by their parent.
    assert totals["celeriac_runs_total", "test.die", "payments", "lost"] == [2]
    assert totals["celeriac_runs_total", "test.die", "payments", "dead"] == [1]
    assert totals["celeriac_rescued_total",] == [3]


def deliver(url, headers):
    """Send one signed event of the provider's."""
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "payment_intent.succeeded"}
    event["data"] = {"object": {"object": "payment_intent", "id": "pi_unheard_of"}}
    body = json.dumps(event)
    signed = stripe.WebhookSignature.generate_signature_header(body, SECRET, None)
    headers = {"Stripe-Signature": signed, "Content-Type": "application/json", **headers}
    return httpx.post(f"{url}/webhooks/stripe/", content=body, headers=headers, timeout=60)


def chain(bodies):
    """Return the spans of the trace from the request to the call, None until all are there."""
    found = {}
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found |= {span.name: span for span in scope.spans if span.trace_id.hex() == TRACE}
    names = [
        "POST /webhooks/stripe/",
        "enqueue payments.webhook",
        "run payments.webhook",
        "GET stripe",
    ]
    if not set(names) <= set(found):
        return None
    spans = [found[name] for name in names]
    assert spans[0].parent_span_id.hex() == PARENT.split("-")[2]
    for parent, child in pairwise(spans):
        assert child.parent_span_id == parent.span_id, child.name
    return spans


def scraped(url, labels):
    """Return the page of metrics once the web's and the worker's counts are on it."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    page = httpx.get(f"{url}/metrics", headers=headers, timeout=60).text
    enqueued = value(page, "celeriac_jobs_enqueued_total", **labels)
    ended = value(page, "celeriac_runs_total", **labels, outcome="succeeded")
    return page if (enqueued, ended) == (1, 1) else None
