"""Against the running server: races, outages, and a fuzzer over the whole schema."""

import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connection

from celeriac.http.authentication import AccountToken
from celeriac.jobs.models import Job
from sandbox.servers import ValkeyServer
from tests.integration.api.conftest import make_account
from tests.integration.api.server import WebServer
from tests.support.processes import wait_until
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

POSTS = 200
#: Seconds that the fuzzer may take; API_FUZZ_SECONDS=600 hunts for longer.
FUZZ_SECONDS = int(os.environ.get("API_FUZZ_SECONDS", "0"))


@pytest.fixture
def token():
    """Return the token of an account that may do everything."""
    return str(AccountToken.of(make_account(rate_per_minute=1_000_000)))


def at_once(client, bodies, key):
    """Post all bodies under one key in parallel; return the answers in order."""

    def post(body):
        return client.post("jobs/", json=body, headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(post, bodies))


def test_two_hundred_posts_with_one_key_make_one_job(web, token):
    """One 201; each other answer is the same job, replayed."""
    body = {"kind": "test.note", "args": {"name": "a"}}
    with web.client(token, limits=httpx.Limits(max_connections=POSTS)) as client:
        answers = at_once(client, [body] * POSTS, "one")
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: POSTS - 1}
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert Counter(replayed) == {None: 1, "true": POSTS - 1}
    assert {answer.json()["id"] for answer in answers} == {str(Job.objects.get().id)}


def test_two_bodies_under_one_key_never_make_two_jobs(web, token):
    """Whichever came first is the call; the other is a conflict, every time."""
    bodies = [{"kind": "test.note", "args": {"name": name}} for name in "ab"] * (POSTS // 2)
    with web.client(token, limits=httpx.Limits(max_connections=POSTS)) as client:
        answers = at_once(client, bodies, "two")
    job = Job.objects.get()
    won = [a for a, body in zip(answers, bodies, strict=True) if body["args"] == job.args]
    lost = [a for a, body in zip(answers, bodies, strict=True) if body["args"] != job.args]
    assert Counter(answer.status_code for answer in won) == {201: 1, 200: POSTS // 2 - 1}
    assert {answer.status_code for answer in lost} == {409}
    assert {a.headers["Content-Type"] for a in lost} == {"application/problem+json"}


def test_a_body_without_a_length_is_refused(web, token):
    """Rather than taken for none."""
    with web.client(token) as client:
        answer = client.post(
            "jobs/",
            content=iter([b'{"kind":"test.noop"}']),
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 411
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_host_that_is_not_ours_is_a_problem(web):
    """Also what Django refuses before any view runs."""
    answer = httpx.get(f"{web.url}/api/v1/jobs/", headers={"Host": "evil.example"}, timeout=120)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.fixture
def own_broker(run_directory, request):
    """Yield a broker and cache that nobody else uses, so that it may be stopped."""
    server = ValkeyServer(run_directory / f"broker-{abs(hash(request.node.nodeid)):x}")
    server.start()
    yield server
    server.stop()


def posted(client, count=20):
    """Post jobs one after the other; return the median seconds that one took."""
    took = []
    for number in range(count):
        started = time.perf_counter()
        answer = client.post("jobs/", json={"kind": "test.noop", "args": {"number": number}})
        took.append(time.perf_counter() - started)
        assert answer.status_code == 201, answer.text
    return sorted(took)[count // 2]


def test_without_a_broker_jobs_are_taken_as_before(
    own_broker, process_env, run_directory, token, forks
):
    """The broker carries doorbells only, the cache counts only: neither holds a call up."""
    urls = {"BROKER_URL": own_broker.url(0), "CACHE_URL": own_broker.url(1)}
    directory = run_directory / "logs" / "web-without-broker"
    server = WebServer(env=process_env | urls, directory=directory, forks=forks, workers=1)
    try:
        with server.client(token) as client:
            took = {"there": posted(client)}
            own_broker.pause()
            try:
                took["frozen"] = posted(client)
            finally:
                own_broker.resume()
            own_broker.stop()
            took["gone"] = posted(client)
    finally:
        server.stop()
    print({how: f"{seconds * 1000:.1f} ms" for how, seconds in took.items()})
    assert Job.objects.count() == 60


def test_without_a_database_calls_are_told_to_come_back(web, postgres_server, token):
    """503 with Retry-After, nothing half-done, and the next call after it works."""
    body = {"kind": "test.noop"}
    with web.client(token) as client:
        assert client.post("jobs/", json=body).status_code == 201
        postgres_server.stop()
        try:
            refused = [
                client.post("jobs/", json=body, headers={"Idempotency-Key": "k"}),
                client.get("jobs/"),
                client.post("token/", json={"client_id": "a", "client_secret": "b"}),
            ]
        finally:
            postgres_server.start()
            connection.close()
        for answer in refused:
            assert answer.status_code == 503
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1
        wait_until(lambda: client.get("jobs/").status_code == 200, timeout=60)
        again = client.post("jobs/", json=body, headers={"Idempotency-Key": "k"})
        assert again.status_code == 201
        assert len(client.get("jobs/").json()["results"]) == 2


@pytest.mark.timeout(600 + 3 * FUZZ_SECONDS)
def test_the_fuzzer_finds_no_breach_of_the_schema(web, token, run_directory):
    """schemathesis: every phase, stateful too, with all checks."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{web.url}/api/schema/"),
        *("--header", f"Authorization: Bearer {token}", "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--generation-database", "none"),
        *(
            "--seed",
            os.environ.get("API_FUZZ_SEED", "20261121"),
            "--no-color",
            "--request-timeout",
            "120",
        ),
        *("--suppress-health-check", "all", "--continue-on-failure"),
        *(("--max-time", FUZZ_SECONDS) if FUZZ_SECONDS else ("--max-examples", 8)),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.integration.api.fuzz_hooks", "PYTHONPATH": str(ROOT)}
    directory = run_directory / "fuzz"
    directory.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,  # it keeps what it found there, and would try that again
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=500 + 2 * FUZZ_SECONDS,
        check=False,
    )
    print(done.stdout[-4000:])
    assert done.returncode == 0, done.stdout + done.stderr
