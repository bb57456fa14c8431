"""Callbacks on real sockets: every ending owes one, and it goes nowhere it must not."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from celeriac import Backoff, GiveUp, Snooze, cancel, enqueue_many, retry
from celeriac.breakers.testing import reset_breakers
from celeriac.console.actions.services import bulk_start
from celeriac.core.effects import CallInTransaction
from celeriac.jobs.callbacks import addresses, signature, sql, transport
from celeriac.jobs.callbacks.addresses import AddressRefused
from celeriac.jobs.callbacks.deliver import CallbackFailed, deliver_callback
from celeriac.jobs.dispatching.expire import expire_jobs
from celeriac.jobs.dispatching.rescue import rescue_lost_runs
from celeriac.jobs.enqueueing.enqueue import enqueue_drafts, enqueue_job as enqueue, prepare_many
from celeriac.jobs.models import Job
from celeriac.jobs.running import execute
from celeriac.settings import conf
from celeriac.testing import drain
from tests.support.conf import configure
from tests.support.receiver import running_receiver
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://hooks.example.com/hook"
EVENT = {"id": str(uuid4()), "kind": "test.note", "state": "succeeded"}


@pytest.fixture
def circuits(broker):
    """Close what other tests opened, and what this one opens."""
    reset_breakers()
    yield
    reset_breakers()


@pytest.fixture
def receiver(settings, circuits):
    """Yield a receiver on loopback that callbacks may reach as hooks.example.com."""
    with running_receiver() as receiver:
        settings.CELERIAC = {
            **settings.CELERIAC,
            "CALLBACK_ALLOWED_HOSTS": [f"http://hooks.example.com:{receiver.port}"],
        }
        settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": ["127.0.0.0/8"]}
        settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_TIMEOUT_SECONDS": 5.0}
        yield receiver


@pytest.fixture
def names(monkeypatch):
    """Return a function that says what every name resolves to from now on, one answer a look."""
    looks = []

    def become(*answers):
        looks.clear()

        def resolve(host, port):
            looks.append((host, port))
            return answers[min(len(looks), len(answers)) - 1]

        monkeypatch.setattr(deliver_callback, "__kwdefaults__", {"resolver": resolve})
        return looks

    become(["127.0.0.1"])
    return become


def owed(job):
    """Return the callbacks that endings of a job have enqueued, the oldest first."""
    found = Job.objects.filter(kind=sql.KIND, enqueued_by=f"job {job.id}")
    return list(found.order_by("id"))


def states(job):
    """Return the states that were told."""
    return [each.args["event"]["state"] for each in owed(job)]


# -- endings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "args", "state"),
    [
        ("test.note", {"name": "a"}, "succeeded"),
        ("test.note_once", {"name": "a"}, "succeeded"),
        ("test.give_up", {}, "dead"),
        ("test.mourned", {}, "dead"),
    ],
)
def test_a_run_that_ends_its_job_owes_one_callback(answer, kind, args, state):
    """Simple and transactional kinds, successes and deaths, with and without a hook."""
    job = enqueue(kind, args, callback_url=URL, tenant="acme")
    answer(job)
    (call,) = owed(job)
    job.refresh_from_db()
    assert (call.queue, call.state, call.max_attempts) == (sql.QUEUE, "queued", 20)
    assert (call.tenant, call.correlation_id) == ("acme", job.correlation_id)
    assert call.args["url"] == URL
    event = call.args["event"]
    assert (event["id"], event["state"], event["kind"]) == (str(job.id), state, kind)
    assert (event["attempt"], event["error"]) == (1, job.error)
    assert event["finished_at"].endswith("+00:00")
    answer(job)
    assert len(owed(job)) == 1


def test_an_ending_that_is_none_owes_nothing(answer, declare):
    """A retry, a snooze, a release: only the last ending is told."""
    job = enqueue("test.fail_once_each", {"name": "a"}, callback_url=URL)
    answer(job)
    assert owed(job) == []
    Job.objects.filter(pk=job.pk).update(run_at=job.run_at - timedelta(hours=1))
    answer(job)
    assert states(job) == ["succeeded"]
    snoozed = enqueue("test.snooze", {}, callback_url=URL)
    answer(snoozed)
    assert owed(snoozed) == []


def test_a_cancelled_queued_job_owes_one(answer):
    """By one verb or over a filter; a second cancel is refused and owes nothing."""
    one, *rest = enqueue_many("test.note", [{"name": str(n)} for n in range(3)], callback_url=URL)
    cancel(one.id, actor="ada", reason="not needed")
    bulk = bulk_start(verb="cancel", filter={"kind": ["test.note"]}, actor="ada", reason="")
    assert bulk.changed == 2
    assert [states(job) for job in (one, *rest)] == [["cancelled"]] * 3
    assert owed(one)[0].args["event"]["error"] == "cancelled: not needed"


def test_a_cancelled_running_job_owes_one_when_it_has_stopped(answer, declare):
    """Asking is not yet an ending."""
    job = enqueue("test.noop", {}, callback_url=URL)
    seen = []

    def handler():
        cancel(job.id)
        seen.append(len(owed(job)))
        raise ValueError("stopped")

    declare(handler)
    Job.objects.filter(pk=job.pk).update(kind="test.kind")
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(worker=uuid4(), capabilities=execute.capabilities())
    )
    assert seen == [0]
    assert states(job) == ["cancelled"]


def test_an_expired_job_owes_one():
    """The dispatcher ends it."""
    job = enqueue("test.note", {"name": "a"}, callback_url=URL, expires_at=timedelta(0))
    quiet = enqueue("test.note", {"name": "b"}, expires_at=timedelta(0))
    assert expire_jobs() == 2
    assert states(job) == ["cancelled"]
    assert owed(job)[0].args["event"]["error"].startswith("expired")
    assert owed(quiet) == []


def test_a_lost_job_that_ends_dead_owes_one(make_job):
    """The rescuer ends it."""
    job = make_job("test.die", callback_url=URL)
    lost = {"state": "running", "claim_id": uuid4(), "worker": uuid4(), "attempt": 3, "losses": 2}
    Job.objects.filter(pk=job.pk).update(started_at=job.run_at - timedelta(days=1), **lost)
    rescue_lost_runs()
    job.refresh_from_db()
    assert job.state == "dead"
    assert states(job) == ["dead"]


def test_a_superseded_job_owes_one(answer, declare):
    """Its run would have gone back to queued, but its key was queued anew."""

    def handler():
        enqueue("test.kind", {}, unique_key="k")
        raise ValueError("again")

    declare(handler, retry=Backoff(max_attempts=3))
    job = enqueue("test.kind", {}, unique_key="k", callback_url=URL)
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(worker=uuid4(), capabilities=execute.capabilities())
    )
    assert states(job) == ["cancelled"]


def test_a_job_that_is_retried_ends_again_and_calls_again(answer):
    """One callback an ending."""
    job = enqueue("test.give_up", {}, callback_url=URL)
    answer(job)
    retry(job.id, actor="ada")
    answer(job)
    assert states(job) == ["dead", "dead"]
    assert [each.args["event"]["attempt"] for each in owed(job)] == [1, 2]


def test_an_ending_that_rolls_back_owes_nothing():
    """The callback is part of the statement that ends the job."""
    job = enqueue("test.note", {"name": "a"}, callback_url=URL)
    with transaction.atomic():
        cancel(job.id)
        assert len(owed(job)) == 1
        transaction.set_rollback(True)
    assert owed(job) == []


def test_a_callback_costs_the_settle_no_statement(answer, make_job):
    """Claim and settle, as without."""
    for url in ("", URL):
        job = make_job("test.noop", callback_url=url)
        with CaptureQueriesContext(connection) as queries:
            answer(job)
        assert len(queries) == 2, url


def test_a_job_that_takes_another_in_has_one_address():
    """Its own, unless it has none or the other replaces it."""
    other = "https://hooks.example.com/other"
    first = enqueue("test.note", {"name": "a"}, unique_key="k")
    assert enqueue("test.note", {"name": "a"}, unique_key="k", callback_url=URL).id == first.id
    enqueue("test.note", {"name": "a"}, unique_key="k", callback_url=other)
    enqueue("test.note", {"name": "a"}, unique_key="k", replace=True)
    first.refresh_from_db()
    assert first.callback_url == URL
    enqueue("test.note", {"name": "a"}, unique_key="k", callback_url=other, replace=True)
    first.refresh_from_db()
    assert first.callback_url == other


def test_jobs_of_one_call_that_are_one_keep_an_address():
    """Two drafts with one key become one job."""
    options = [{"unique_key": "k"}, {"unique_key": "k", "callback_url": URL}]
    jobs = enqueue_drafts(prepare_many(("test.note", {"name": "a"}, each) for each in options))
    assert {job.id for job in jobs} == {jobs[0].id}
    assert Job.objects.get(id=jobs[0].id).callback_url == URL


# -- delivery --------------------------------------------------------------------------------


def documented_verify():
    """Return the function that docs/callbacks.md shows."""
    text = (ROOT / "docs" / "callbacks.md").read_text()
    code = next(c for c in re.findall(r"```python\n(.*?)```", text, re.S) if "def verify" in c)
    names = {}
    exec(compile(code, "docs/callbacks.md", "exec"), names)  # noqa: S102 our own documentation
    return names["verify"]


def test_a_callback_arrives_signed(receiver, names, settings):
    """From enqueue to the receiver, and what it gets verifies by the documented function."""
    job = enqueue("test.note", {"name": "a"}, callback_url=receiver.url(path="/hook?for=acme"))
    drain()
    ((path, headers, body),) = receiver.calls
    (call,) = owed(job)
    assert (path, call.state, call.result) == ("/hook?for=acme", "succeeded", 204)
    said = json.loads(body)
    assert (said["id"], said["type"]) == (str(call.id), "job.succeeded")
    assert said["job"]["id"] == str(job.id)
    assert headers["Celeriac-Event"] == str(call.id)
    assert headers["Host"] == f"hooks.example.com:{receiver.port}"
    verify = documented_verify()
    assert verify(body, headers["Celeriac-Signature"], conf.CALLBACK_SECRET)


def test_a_tampered_or_replayed_callback_does_not_verify(settings, monkeypatch):
    """Another body, another time, another secret, an old one sent again, nonsense."""
    verify, body, secret = documented_verify(), b'{"id":"1"}', conf.CALLBACK_SECRET
    now = int(time.time())
    good = signature.sign_body(body, timestamp=now)
    assert verify(body, good, secret)
    old = signature.sign_body(body, timestamp=now - 301)
    future = signature.sign_body(body, timestamp=now + 600)
    forged = good.replace(f"t={now}", f"t={now - 1}")
    swapped = old.replace(f"t={now - 301}", f"t={now}")
    bent = good[:-1] + ("0" if good[-1] != "0" else "1")
    bad = [old, future, forged, swapped, bent, "", "t=", "v1=", f"t={now}", f"t={now},v1=", "t=٣"]
    bad += [f"t={now},v1=é", f"v1={good}", f"t=-{now},v1=0", good.replace("v1=", "v0="), "=,=,="]
    for header in bad:
        assert not verify(body, header, secret), header
    for other in (b'{"id":"2"}', body + b" ", b""):
        assert not verify(other, good, secret)
    assert not verify(body, good, "another secret of a decent length, but another")


def test_while_the_secret_is_changed_both_verify(settings):
    """A receiver may know either."""
    verify, body = documented_verify(), b"{}"
    configure(settings, CALLBACK_SECRET_FORMER=conf.CALLBACK_SECRET, CALLBACK_SECRET="n" * 40)
    header = signature.sign_body(body, timestamp=int(time.time()))
    assert header.count("v1=") == 2
    assert verify(body, header, conf.CALLBACK_SECRET)
    assert verify(body, header, conf.CALLBACK_SECRET_FORMER)


def test_what_fails_is_tried_again_with_the_same_event(receiver, names):
    """The body is the same to the byte; the signature is new."""
    receiver.status = 500
    job = enqueue("test.note", {"name": "a"}, callback_url=receiver.url())
    drain()
    (call,) = owed(job)
    assert (call.state, call.failures) == ("queued", 1)
    assert "500" in call.error
    receiver.status = 200
    drain(sql.QUEUE, with_scheduled=True)
    call.refresh_from_db()
    assert call.state == "succeeded"
    assert receiver.calls[0][2] == receiver.calls[1][2]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, names, settings, status):
    """Not even to the same host."""
    with running_receiver() as elsewhere:
        conf.CALLBACK_ALLOWED_HOSTS.append(f"http://hooks.example.com:{elsewhere.port}")
        receiver.status, receiver.headers = status, {"Location": elsewhere.url()}
        with pytest.raises(CallbackFailed, match="redirect"):
            deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
        assert elsewhere.calls == []
    assert len(receiver.calls) == 1


def test_a_receiver_may_ask_to_wait_or_to_be_left_alone(receiver, names):
    """Retry-After and 410."""
    receiver.status, receiver.headers = 429, {"Retry-After": "77"}
    with pytest.raises(CallbackFailed) as caught:
        deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
    assert (caught.value.status, caught.value.retry_after) == (429, 77.0)
    with pytest.raises(Snooze, match="circuit"):
        deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
    reset_breakers()
    receiver.status = 410
    with pytest.raises(GiveUp, match="410"):
        deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())


def test_a_host_that_is_down_opens_its_circuit_and_no_other(receiver, names, settings):
    """Then nothing is sent, and callbacks wait without a failure."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "BREAKERS": {"callbacks": {"min_volume": 3, "cooldown": 600, "max_cooldown": 900}},
    }
    receiver.status = 503
    for _ in range(3):
        with pytest.raises(CallbackFailed):
            deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
    job = enqueue("test.note", {"name": "a"}, callback_url=receiver.url())
    drain()
    (call,) = owed(job)
    assert len(receiver.calls) == 3
    assert (call.state, call.failures) == ("queued", 0)
    assert "circuit callbacks:hooks.example.com" in call.wait_reason
    assert (call.run_at - job.run_at).total_seconds() > 300
    with running_receiver() as other:
        conf.CALLBACK_ALLOWED_HOSTS.append(f"http://well.example.com:{other.port}")
        deliver_callback(url=other.url("well.example.com"), event=EVENT, event_id=uuid4())
        assert len(other.calls) == 1


def test_a_url_that_is_allowed_no_longer_is_given_up(receiver, names, settings):
    """The list is asked again when the callback leaves."""
    url = receiver.url()
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_HOSTS": ["hooks.example.com"]}
    with pytest.raises(GiveUp, match="CALLBACK_ALLOWED_HOSTS"):
        deliver_callback(url=url, event=EVENT, event_id=uuid4())
    assert receiver.calls == []


def test_nothing_is_sent_inside_a_transaction(receiver, names):
    """A rollback could not take it back."""
    with transaction.atomic(), pytest.raises(CallInTransaction):
        deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())


# -- the network -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"],  # noqa: S104 nothing is bound
)
def test_a_name_that_leads_inside_is_not_followed(receiver, names, settings, address):
    """Whatever stands beside the bad address."""
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": []}
    for answer in ([address], ["1.1.1.1", address], [address, "1.1.1.1"]):
        names(answer)
        with pytest.raises(AddressRefused, match=re.escape(address)):
            deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
    assert receiver.calls == []


def test_a_name_that_changes_after_it_was_judged_gains_nothing(receiver, names, settings):
    """DNS rebinding: one look a connection, and the connection goes to what was judged."""
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": ["127.0.0.1/32"]}
    with running_receiver("127.0.0.2", receiver.port) as inside:
        looks = names(["127.0.0.1"], ["127.0.0.2"])
        deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
        assert looks == [("hooks.example.com", receiver.port)]
        with pytest.raises(AddressRefused):
            deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4())
        assert (len(receiver.calls), len(inside.calls)) == (1, 0)


def test_the_real_resolver_is_judged_too(receiver, settings):
    """`localhost` on the list still leads to loopback, which is not public."""
    settings.CELERIAC = {
        **settings.CELERIAC,
        "CALLBACK_ALLOWED_HOSTS": [f"http://localhost:{receiver.port}"],
    }
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": []}
    with pytest.raises(AddressRefused, match="localhost resolves to"):
        deliver_callback(url=receiver.url("localhost"), event=EVENT, event_id=uuid4())
    settings.CELERIAC = {
        **settings.CELERIAC,
        "CALLBACK_ALLOWED_NETWORKS": ["127.0.0.0/8", "::1/128"],
    }
    assert deliver_callback(url=receiver.url("localhost"), event=EVENT, event_id=uuid4()) == 204


def test_the_next_address_is_tried_where_one_does_not_answer(receiver, names):
    """All of them were judged."""
    names(["127.0.0.9", "127.0.0.1"])
    assert deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4()) == 204


def test_proxies_of_the_environment_are_not_asked(receiver, names, monkeypatch):
    """Else the proxy would resolve the name, and nobody would judge the address."""
    with running_receiver() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert deliver_callback(url=receiver.url(), event=EVENT, event_id=uuid4()) == 204
        assert proxy.calls == []


@contextmanager
def misbehaving(behave):
    """Yield the port of a server that takes one connection and does as it likes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        stop = threading.Event()

        def serve():
            peer, _ = server.accept()
            with peer:
                peer.settimeout(20)
                peer.recv(65536)
                try:
                    behave(peer, stop)
                except OSError:
                    return  # the client had enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join(20)


def drip(peer, stop):
    """Send a header a byte at a time."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stop.wait(0.05):
        peer.sendall(b"a")


def hang(peer, stop):
    """Say nothing."""
    stop.wait(20)


def flood(peer, stop):
    """Send headers without an end."""
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.is_set():
        peer.sendall(b"X-More: " + b"a" * 8000 + b"\r\n")


def informing(peer, stop):
    """Send interim answers without an end."""
    while not stop.wait(0.01):
        peer.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize("behave", [drip, hang, flood, informing])
def test_a_receiver_that_does_not_come_to_an_end_is_left(settings, names, circuits, behave):
    """One deadline for all of it, and headers have a limit."""
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": ["127.0.0.0/8"]}
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_TIMEOUT_SECONDS": 0.5}
    with misbehaving(behave) as port:
        settings.CELERIAC = {
            **settings.CELERIAC,
            "CALLBACK_ALLOWED_HOSTS": [f"http://hooks.example.com:{port}"],
        }
        began = time.monotonic()
        with pytest.raises(CallbackFailed, match="gave no answer"):
            deliver_callback(url=f"http://hooks.example.com:{port}/", event=EVENT, event_id=uuid4())
        assert time.monotonic() - began < 15


def test_an_endless_body_is_not_read(settings, names, circuits):
    """Status and headers say all."""

    def stream(peer, stop):
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while not stop.is_set():
            peer.sendall(b"a" * 65536)

    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": ["127.0.0.0/8"]}
    with misbehaving(stream) as port:
        settings.CELERIAC = {
            **settings.CELERIAC,
            "CALLBACK_ALLOWED_HOSTS": [f"http://hooks.example.com:{port}"],
        }
        url = f"http://hooks.example.com:{port}/"
        assert deliver_callback(url=url, event=EVENT, event_id=uuid4()) == 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a file with a key and a certificate for hooks.example.com."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here: install it to test the verification of host names")
    folder = Path(tmp_path_factory.mktemp("tls"))
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += " -subj /CN=hooks.example.com -addext subjectAltName=DNS:hooks.example.com"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    return folder


def test_tls_verifies_the_name_although_the_connection_goes_to_a_number(
    certificate, settings, names, circuits, monkeypatch
):
    """The right name passes; another one of the same address, or an unknown issuer, does not."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_ALLOWED_NETWORKS": ["127.0.0.0/8"]}
    with running_receiver(tls=serving) as receiver:
        hosts = ("hooks.example.com", "other.example.com")
        settings.CELERIAC = {
            **settings.CELERIAC,
            "CALLBACK_ALLOWED_HOSTS": [f"{host}:{receiver.port}" for host in hosts],
        }
        right, wrong = (f"https://{host}:{receiver.port}/" for host in hosts)
        with pytest.raises(CallbackFailed, match="CERTIFICATE_VERIFY_FAILED"):
            deliver_callback(url=right, event=EVENT, event_id=uuid4())
        trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
        monkeypatch.setattr(transport, "_tls", lambda: trusting)
        assert deliver_callback(url=right, event=EVENT, event_id=uuid4()) == 204
        with pytest.raises(CallbackFailed, match="CERTIFICATE_VERIFY_FAILED"):
            deliver_callback(url=wrong, event=EVENT, event_id=uuid4())
        assert len(receiver.calls) == 1


def test_the_default_resolver_is_the_systems():
    """No cache of ours stands between."""
    assert addresses.resolve_host("127.0.0.1", 80) == ["127.0.0.1"]
    assert os.environ.get("CALLBACK_ALLOWED_NETWORKS", "") == ""
