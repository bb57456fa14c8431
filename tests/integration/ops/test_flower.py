"""Flower through the site: who may see it, what of it, and what an ill one can do."""

import http.server
import threading
import time
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User
from celeriac.monitoring.flower import checks, pages, upstream
from tests.support.conf import configure
from tests.support.flower import LOGIN, start_flower

READS = ["", "workers", "tasks", "broker", "worker/ledger-1@host", "task/0190-ab", "api/workers"]
VERBS = [
    "api/worker/shutdown/ledger@host",
    "api/worker/pool/restart/ledger@host",
    "api/worker/pool/grow/ledger@host",
    "api/worker/pool/shrink/ledger@host",
    "api/worker/pool/autoscale/ledger@host",
    "api/worker/queue/add-consumer/ledger@host",
    "api/worker/queue/cancel-consumer/ledger@host",
    "api/task/apply/payments.capture",
    "api/task/async-apply/payments.capture",
    "api/task/send-task/payments.capture",
    "api/task/abort/1",
    "api/task/timeout/payments.capture",
    "api/task/rate-limit/payments.capture",
    "api/task/revoke/1",
    "api/task/result/1",
]
WAYS_OUT = [
    "../admin/",
    "..%2fadmin/",
    "static/../../metrics",
    "static/%2e%2e/metrics",
    "static/..%5cmetrics",
    "static/./x",
    "static//x",
    "worker/../metrics",
    "worker/..",
    "worker/a/../../metrics",
    "worker/a%2f..%2f..%2fmetrics",
    "worker/a%0d%0aX-Evil:1",
    "worker/a%00",
    "/evil.example/",
    "//evil.example/",
    "http://evil.example/",
    "http:%2f%2fevil.example/",
    "@evil.example/",
    ":80/",
    "metrics",
    "healthcheck",
    "login",
    "logout",
    "tasks/",
    "tasks/datatable/../../metrics",
    "%e2%80%ae",
]


@pytest.fixture
def viewer(db):
    """Return somebody who may see Flower."""
    user = User.objects.create_user("ada@example.com", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_flower"))
    return user


@pytest.fixture
def staff(client, viewer):
    """Return a client that is signed in as somebody who may see Flower."""
    client.force_login(viewer)
    return client


class Answering(http.server.BaseHTTPRequestHandler):
    """Notes what it is asked and answers as told."""

    def answer(self):
        """Answer any method."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        self.server.behave(self)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 the library's names

    def log_message(self, *_):
        """Keep quiet."""


def polite(handler):
    """Answer with a page, and with headers that must not reach the browser."""
    body = b"<h1>hello</h1>"
    handler.send_response(200)
    headers = {
        "Content-Type": "text/html; charset=UTF-8",
        "Content-Length": str(len(body)),
        "Set-Cookie": "_xsrf=1",
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": "default-src *",
        "Keep-Alive": "timeout=5",
        "X-Powered-By": "snake",
    }
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


@contextmanager
def standing_in(behave):
    """Yield a server that stands in for Flower."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.asked, server.behave = [], behave
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def stand_in(settings):
    """Yield a server in Flower's place that answers politely."""
    with standing_in(polite) as server:
        settings.CELERIAC = {
            **settings.CELERIAC,
            "FLOWER_URL": f"http://127.0.0.1:{server.server_address[1]}",
        }
        settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": LOGIN}
        yield server


# -- who --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_who_is_not_signed_in_reaches_flower(client, db, stand_in, method):
    """They are sent to the login form, whatever they ask for."""
    for path in (*READS, *VERBS, "tasks/datatable", "metrics"):
        response = getattr(client, method)(f"/flower/{path}")
        assert response.status_code == 302, path
        assert response["Location"].startswith("/admin/login/?next=/flower/")
    assert stand_in.asked == []


@pytest.mark.parametrize("who", ["staff alone", "permission alone", "inactive"])
def test_neither_staff_nor_permission_alone_is_enough(client, viewer, stand_in, who):
    """Both, and an active account."""
    if who == "staff alone":
        viewer.user_permissions.clear()
    client.force_login(viewer)
    changed = {"permission alone": {"is_staff": False}, "inactive": {"is_active": False}}
    User.objects.filter(pk=viewer.pk).update(**changed.get(who, {"is_staff": True}))
    assert client.get("/flower/").status_code == (302 if who == "inactive" else 403)
    assert stand_in.asked == []


# -- what -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_flowers_verbs_are_not_there(staff, stand_in, method):
    """Not even for those who may see Flower."""
    for path in VERBS:
        assert getattr(staff, method)(f"/flower/{path}").status_code == 404, path
    assert stand_in.asked == []


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_pages_are_read_only(staff, stand_in, method):
    """Other methods are refused; the table of tasks alone is read by a POST."""
    for path in READS:
        assert getattr(staff, method)(f"/flower/{path}").status_code == 405
    assert stand_in.asked == []
    if method == "post":
        assert staff.post("/flower/tasks/datatable", {"draw": 1}).status_code == 200
        assert stand_in.asked[0][0] == "POST"


def test_there_is_no_way_out_of_flowers_pages(staff, stand_in):
    """No traversal, no other host, nothing that is not named."""
    for path in WAYS_OUT:
        assert staff.get(f"/flower/{path}").status_code == 404, path
    assert stand_in.asked == []


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("worker/a%20b@host", "/flower/worker/a%20b@host"),
        ("worker/a%3fb=c%23d", "/flower/worker/a%3Fb%3Dc%23d"),
        ("worker/%252e%252e", "/flower/worker/%252e%252e"),
        ("task/1?x=%2f..%2f&next=http://evil.example/", None),
    ],
)
def test_a_path_arrives_as_it_was_meant(staff, stand_in, path, sent):
    """Encoded anew, so that no part of it becomes a query, a fragment or another path."""
    assert staff.get(f"/flower/{path}").status_code == 200
    assert stand_in.asked[0][1] == (sent or f"/flower/{path}")


def test_nothing_of_the_visitor_goes_on_and_little_comes_back(staff, stand_in):
    """No cookie, no credentials, no claims about the connection; and none from Flower."""
    response = staff.get(
        "/flower/workers?json=1",
        headers={
            "Authorization": "Bearer x",
            "Cookie": f"sessionid={staff.cookies['sessionid'].value}; other=1",
            "X-Forwarded-For": "1.2.3.4",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=1.2.3.4",
            "Connection": "close, Authorization",
            "Upgrade": "websocket",
            "Transfer-Encoding": "chunked",
            "Proxy-Authorization": "Basic x",
            "Origin": "http://evil.example",
            "Accept": "text/html",
        },
    )
    staff.get("/flower/")  # nor is anything kept from one to the next
    (method, path, headers, _), (*_, later, _) = stand_in.asked
    assert "Cookie" not in later
    assert (method, path) == ("GET", "/flower/workers?json=1")
    assert {name.lower() for name in headers} <= {
        "host", "accept", "accept-encoding", "user-agent", "connection", "authorization"
    }  # fmt: skip
    assert headers["Authorization"].startswith("Basic ")
    assert headers["Host"] == f"127.0.0.1:{stand_in.server_address[1]}"
    assert response.content == b"<h1>hello</h1>"
    for name in ("Access-Control-Allow-Origin", "X-Powered-By", "Keep-Alive"):
        assert name not in response
    assert "_xsrf" not in response.cookies
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_flowers_pages_have_a_policy_of_their_own(staff, stand_in):
    """Its one inline script by its digest; no evaluation, nothing from elsewhere."""
    policy = staff.get("/flower/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    script = next(part for part in policy.split(";") if "script-src" in part)
    assert "'self'" in script
    assert "unsafe-inline" not in script
    assert "unsafe-eval" in staff.get("/admin/")["Content-Security-Policy"]


# -- an ill Flower ----------------------------------------------------------------------------


def redirecting(handler):
    """Send the visitor elsewhere."""
    handler.send_response(302)
    handler.send_header("Location", "http://evil.example/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def refusing(handler):
    """Want another password."""
    handler.send_response(401)
    handler.send_header("WWW-Authenticate", 'Basic realm="flower"')
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def failing(handler):
    """Fail with what nobody should read."""
    handler.send_response(500)
    handler.end_headers()
    handler.wfile.write(b"Traceback: secret")


def flooding(handler):
    """Send more than anybody wants."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"a" * 65536)
    except OSError:
        return


def hanging(handler):
    """Say nothing for a while."""
    time.sleep(2)


def dripping(handler):
    """Say a little now and then."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b"a")
            time.sleep(0.05)
    except OSError:
        return


def babbling(handler):
    """Speak no HTTP."""
    handler.wfile.write(b"hello\r\n\r\n")
    handler.close_connection = True


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (redirecting, "answered 302"),
        (refusing, "refuses our password"),
        (failing, "answered 500"),
        (flooding, "bytes"),
        (hanging, "does not answer"),
        (dripping, "too long"),
        (babbling, "does not answer"),
    ],
)
def test_an_ill_flower_gets_a_page_that_says_so(staff, settings, monkeypatch, behave, words):
    """No traceback, no redirect, no login prompt of its own reaches the browser."""
    monkeypatch.setattr(upstream, "MOST_ANSWERED", 1024 * 1024)
    settings.CELERIAC = {
        **settings.CELERIAC,
        "FLOWER_TIMEOUT_SECONDS": 0.5 if behave in (hanging, dripping) else 10.0,
    }
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": LOGIN}
    with standing_in(behave) as server:
        settings.CELERIAC = {
            **settings.CELERIAC,
            "FLOWER_URL": f"http://127.0.0.1:{server.server_address[1]}",
        }
        response = staff.get("/flower/")
    assert response.status_code == 502
    text = response.content.decode()
    assert words in text
    assert "secret" not in text
    assert "WWW-Authenticate" not in response
    assert "Location" not in response
    assert "/admin/celeriac_jobs/job/" in text


def test_without_flower_there_is_a_page_that_says_so(staff, settings):
    """Down, or not configured."""
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": LOGIN}
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_URL": "http://127.0.0.1:1"}
    response = staff.get("/flower/")
    assert response.status_code == 502
    assert "Is its process running?" in response.content.decode()
    assert LOGIN.partition(":")[2] not in response.content.decode()
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": ""}
    assert "FLOWER_BASIC_AUTH is not set" in staff.get("/flower/").content.decode()


def test_a_large_body_is_refused(staff, stand_in):
    """The table's question is a few thousand bytes."""
    data = "a" * (upstream.MOST_ASKED + 1)
    kind = "application/x-www-form-urlencoded"
    assert staff.post("/flower/tasks/datatable", data, content_type=kind).status_code == 413
    assert stand_in.asked == []


def test_a_proxy_of_the_environment_is_not_asked(staff, stand_in, monkeypatch):
    """It would learn Flower's password."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    upstream._transport.cache_clear()
    assert staff.get("/flower/").status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("FLOWER_BASIC_AUTH", "flower", "celeriac_monitoring.E201"),
        ("FLOWER_BASIC_AUTH", "flower:", "celeriac_monitoring.E201"),
        ("FLOWER_BASIC_AUTH", "flower:flower", "celeriac_monitoring.E201"),
        ("FLOWER_BASIC_AUTH", f"{LOGIN},guest:guest", "celeriac_monitoring.E201"),
        ("FLOWER_URL", "127.0.0.1:5555", "celeriac_monitoring.E202"),
        ("FLOWER_URL", "file:///etc", "celeriac_monitoring.E202"),
        ("FLOWER_URL", "http://127.0.0.1:5555/admin/", "celeriac_monitoring.E202"),
    ],
)
def test_a_mistake_in_the_settings_is_found_at_start(settings, name, value, found):
    """By `manage.py check`."""
    settings.CELERIAC = {**settings.CELERIAC, "FLOWER_BASIC_AUTH": LOGIN}
    assert checks.check_flower() == []
    configure(settings, **{name: value})
    assert [problem.id for problem in checks.check_flower()] == [found]


# -- the real one -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    [
        {"FLOWER_BASIC_AUTH": "flower:"},
        {"FLOWER_UNAUTHENTICATED_API": "true"},
    ],
)
def test_flower_refuses_to_start_open(processes, settings, env):
    """Whatever it was told on the command line."""
    process = start_flower(processes, settings, env=env)
    assert process.wait(60) == 1
    assert "Flower never runs open" in process.output


def test_the_real_flower_answers_through_the_site_only(processes, settings, transactional_db):
    """Its pages by the site; itself behind its password, and read-only even then."""
    start_flower(processes, settings)
    user = User.objects.create_superuser("root@example.com", "root-password")
    client = Client()
    client.force_login(user)
    for path in ("", "workers", "tasks", "broker", "api/workers", "static/js/flower.js"):
        response = client.get(f"/flower/{path}")
        assert response.status_code == 200, path
        assert response.content
    assert client.get("/flower/task/unknown").status_code == 404
    table = {"draw": 1, "start": 0, "length": 10, "order[0][column]": 0, "columns[0][data]": "name"}
    rows = client.post("/flower/tasks/datatable", table)
    assert rows.json()["data"] == []
    text = client.get("/flower/workers").content.decode()
    assert any(script in text for script in pages._INLINE)
