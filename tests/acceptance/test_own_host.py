"""A project that has everything of its own finds it as it was, in each process of the ledger.

Users with a badge, Sentry, logs, traces, a second database, a transaction around each request;
none of the extras but the API. Its processes are real (tests/host).
"""

import json
import re
from types import SimpleNamespace

import httpx
import psycopg
import pytest

from sandbox.ports import free_port, wait_for_port
from tests.support.host_expected import EXPECTED
from tests.support.processes import wait_until

QUEUES = ["default", "callbacks", "maintenance"]
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def host(processes, database_url, tmp_path, run_directory):
    """Make the project's two databases, and return what starts its processes."""
    place = database_url.rpartition("/")[0]
    names = ("host", "host_legacy")
    with psycopg.connect(database_url, autocommit=True) as server:
        for name in names:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {name}")
        env = {
            "DJANGO_SETTINGS_MODULE": "tests.host.settings",
            "HOST_DATABASE": f"{place}/host",
            "HOST_FOLDER": str(tmp_path),
            "HOST_SLOTS": str(run_directory / "own-host-slots"),
        }

        def start(name, *command):
            return processes.python(name, *command, env=env)

        ledger = psycopg.connect(f"{place}/host", autocommit=True)
        legacy = psycopg.connect(f"{place}/host_legacy", autocommit=True)
        legacy.execute("CREATE TABLE note (text text, made_by text)")
        yield SimpleNamespace(start=start, ledger=ledger, legacy=legacy, folder=tmp_path)
        processes.stop_all()
        ledger.close()
        legacy.close()
        for name in names:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def finish(process):
    """Wait for a command's end; return what it printed."""
    assert process.wait(120) == 0, process.output
    return process.output


def kept(host, kind):
    """Return the lines of JSON that processes kept."""
    file = host.folder / f"{kind}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def running(host):
    """Migrate, and start a worker, a dispatcher, Celery's own beat and a web server."""
    finish(host.start("prepare", "-m", "tests.host.prepare"))
    worker = ["-m", "celery", "-A", "tests.host", "worker", "-c", "2", "-Q", ",".join(QUEUES)]
    host.worker = host.start("worker", *worker, "--without-gossip", "--without-mingle")
    host.dispatcher = host.start("dispatcher", "-m", "tests.host.manage", "dispatcher")
    host.beat = host.start(
        "beat", "-m", "celery", "-A", "tests.host", "beat", "-s", host.folder / "beat"
    )
    port = free_port()
    host.web = host.start(
        *("web", "-m", "gunicorn", "tests.host.wsgi", "--bind", f"127.0.0.1:{port}"),
        *("--workers", "1", "--threads", "2", "--no-control-socket"),
    )
    wait_for_port(port, timeout=120)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        host.client = client
        yield host


def notes(host, made_by):
    """Return the notes that callers or jobs left in the other database."""
    query = "SELECT text FROM note WHERE made_by = %s AND text <> 'ticked'"
    return sorted(text for (text,) in host.legacy.execute(query, [made_by]))


def ended(host, kind):
    """Return the results and states of the jobs of a kind, once all have ended."""
    query = "SELECT state, result, error FROM celeriac_jobs_job WHERE kind = %s"
    rows = host.ledger.execute(query, [kind]).fetchall()
    return rows if rows and all(row[0] not in ("queued", "running") for row in rows) else None


def test_nothing_of_its_own_is_changed(running):
    """Telemetry in web, worker, dispatcher and beat; users, requests and the other database."""
    host, client = running, running.client
    judge_requests(host, client)
    judge_other_database(host)
    judge_console(host, client)
    judge_api(host, client)
    judge_reports(host, client)
    for process in (host.web, host.worker, host.dispatcher, host.beat):
        assert process.stop() in (0, -15), process.output
    ends = {" ".join(each.pop("argv")): each for each in kept(host, "ends")}
    for word in ("worker", "beat", "dispatcher", "gunicorn"):
        assert [each for argv, each in ends.items() if f" {word} " in f" {argv} "] == [EXPECTED]


def judge_requests(host, client):
    """A request that waits for its own job is told so; one that fails leaves none."""
    assert client.get("/found/").json() == EXPECTED
    answer = client.get("/ask/")
    assert answer.status_code == 409
    assert "ATOMIC_REQUESTS makes one of each request" in answer.text
    assert wait_until(lambda: ended(host, "seen.found")) == [("succeeded", EXPECTED, "")]
    assert client.get("/give/?fail").status_code == 500
    assert not ended(host, "seen.secret")


def judge_other_database(host):
    """A call within its transaction is written once that commits, and not where it does not."""
    said = finish(host.start("calls", "-m", "tests.host.calls", "kept", "undone", "bad kept"))
    assert said.count("The open transaction is on 'legacy', but jobs live on 'default'") == 3
    written = [line.split()[1] for line in said.splitlines() if line.endswith(("True", "False"))]
    assert written == ["True", "False", "True"]
    killed = host.start("killed", "-m", "tests.host.calls", "killed")
    assert killed.wait(60) == -9
    wait_until(lambda: notes(host, "job") == ["bad kept", "kept"], message="both jobs ran")
    # Between the other database's commit and the row there is no promise, and the doctor says so.
    assert notes(host, "caller") == ["bad kept", "kept", "killed"]
    query = "SELECT error FROM celeriac_jobs_job WHERE state = 'dead'"
    error = wait_until(lambda: host.ledger.execute(query).fetchone())
    assert error == ("ValueError: no bad kept",)
    doctor = finish(host.start("doctor", "-m", "tests.host.manage", "doctor"))
    assert "legacy: no job commits with its transactions" in doctor
    assert not re.search("^error", doctor, re.MULTILINE), doctor


def judge_console(host, client):
    """Pages, and the audit of what somebody with a badge did; there is no page of schedules."""
    place = "/backstage/celeriac_jobs/job/"
    form = send(client, place, {"username": "b-17", "password": "password"}, through="login")
    assert form.url.path == place
    pages = ("/backstage/", place, f"{place}?q=host", "/backstage/celeriac_core/audit/")
    dashboard = re.search(r'href="(/backstage/[^"]*dashboard[^"]*)"', form.text)
    for page in (*pages, dashboard[1]):
        assert client.get(page).status_code == 200, page
    (job,) = host.ledger.execute("SELECT id FROM celeriac_jobs_job WHERE state = 'dead'").fetchone()
    answer = send(client, f"{place}{job}/retry/", {"reason": "mended"})
    assert answer.url.path == f"{place}{job}/change/", answer.text
    wait_until(lambda: notes(host, "job").count("bad kept") == 2)
    query = "SELECT actor_id::text, actor_name, reason FROM celeriac_core_audit WHERE reason <> ''"
    ((actor, name, reason),) = host.ledger.execute(query).fetchall()
    (key,) = host.ledger.execute("SELECT key::text FROM host_person").fetchone()
    assert (actor, name, reason) == (key, "badge b-17", "mended")
    assert "badge b-17" in client.get("/backstage/celeriac_core/audit/").text
    assert client.get("/readyz").json()["parts"]["beat"] == {
        "ok": True,
        "says": "there are no schedules",
    }


def send(client, place, fields, through=""):
    """Fill in a page's form and send it; return where that leads."""
    page = client.get(f"/backstage/login/?next={place}" if through else place)
    assert page.status_code == 200, page.text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    return client.post(
        page.url, data={**fields, "csrfmiddlewaretoken": token}, follow_redirects=True
    )


def judge_api(host, client):
    """An account that somebody with a badge makes gets a secret, and a job by it."""
    accounts = "/backstage/celeriac_http/serviceaccount/"
    fields = {"name": "billing", "is_active": "on", "reason": "asked for"}
    fields |= {"grants-TOTAL_FORMS": 1, "grants-INITIAL_FORMS": 0, "grants-0-kinds": "seen.*"}
    fields |= {"grants-0-queues": "default", "grants-0-verbs": ["enqueue", "read"]}
    fields |= {"secrets-TOTAL_FORMS": 0, "secrets-INITIAL_FORMS": 0}
    made = send(client, f"{accounts}add/", fields)
    assert made.url.path == accounts, made.text
    (key,) = host.ledger.execute("SELECT id FROM celeriac_http_serviceaccount").fetchone()
    shown = send(client, f"{accounts}{key}/secret/", {"reason": "first", "overlap_hours": 0})
    secret = re.search(r'id="secret">([^<]+)<', shown.text)[1]
    given = {"client_id": "billing", "client_secret": secret}
    token = client.post("/api/v1/token/", json=given).json()["access"]
    bearer = {"Authorization": f"Bearer {token}"}
    sent = client.post("/api/v1/jobs/", json={"kind": "seen.found", "args": {}}, headers=bearer)
    assert sent.status_code == 201, sent.text
    assert client.get("/api/v1/schedules/", headers=bearer).json() == {"results": []}


def judge_reports(host, client):
    """A failed run is in the project's Sentry and its traces, in its own words, without secrets."""
    parent = f"00-{TRACE}-b7ad6b7169203331-01"
    job = client.get("/give/", headers={"traceparent": parent}).text
    wait_until(lambda: ended(host, "seen.secret"))
    events = [each for each in kept(host, "events") if each["tags"].get("job_id") == job]
    ((error,),) = [each["exception"]["values"] for each in events]
    assert error["value"] == "the card ••• was refused"
    assert (events[0]["tags"]["signed"], events[0]["environment"]) == ("host", "host")
    assert "4111-1111" not in json.dumps(events)
    spans = [each["name"] for each in kept(host, "spans") if each["trace"] == TRACE]
    # The job may end before the request that asked for it.
    assert sorted(spans) == ["GET /give/", "enqueue seen.secret", "run seen.secret"]
