"""Who may do what over HTTP, and what hostile callers get."""

import json
import logging
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from django.conf import settings as django_settings
from django.test import RequestFactory
from freezegun import freeze_time

from celeriac.core import clock
from celeriac.core.models import Audit
from celeriac.http import services
from celeriac.http.models import Secret, ServiceAccount, matches_pattern
from celeriac.jobs.models import Job
from celeriac.settings import conf
from config.wsgi import application
from tests.factories import JobFactory
from tests.factories_api import GrantFactory
from tests.integration.api.conftest import Caller, make_account, name_of

pytestmark = pytest.mark.django_db

PLACES = ["jobs/", "kinds/", "queues/", "breakers/", "schedules/", f"jobs/{uuid4()}/"]
VERBS = ["jobs/", "jobs/bulk/", f"jobs/{uuid4()}/cancel/", f"jobs/{uuid4()}/retry/"]


def refused(caller):
    """See that the caller gets in nowhere, and return the last answer."""
    answers = [caller.get(path) for path in PLACES] + [caller.post(path) for path in VERBS]
    assert {answer.status_code for answer in answers} == {401}
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in answers)
    return answers[-1]


def forged(account, key=django_settings.SECRET_KEY, algorithm="HS256", **claims):
    """Return a token with these claims over the usual ones."""
    usual = {
        "token_type": "access",
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
        "jti": uuid4().hex,
        "sub": str(account.id),
        "gen": account.generation,
    }
    return jwt.encode(usual | claims, key, algorithm=algorithm)


def get_token(caller, name, secret):
    """Ask for a token."""
    return caller.post("token/", {"client_id": name, "client_secret": secret})


def test_a_secret_gives_a_token_that_opens_the_door(account):
    """It is short-lived, and the secret is kept as a digest only."""
    secret = services.make_secret(account=account, actor="test")
    answer = get_token(Caller(), account.name, secret)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer.json()["expires_in"] == conf.API_TOKEN_SECONDS
    assert Caller(token=answer.json()["access"]).get("jobs/").status_code == 200
    kept = Secret.objects.get()
    assert secret not in json.dumps([kept.digest, kept.hint, str(kept)])
    account.refresh_from_db()
    assert account.last_token_at is not None


def test_a_wrong_secret_a_wrong_name_and_an_inactive_account_look_alike(account):
    """401, the same words."""
    secret = services.make_secret(account=account, actor="test")
    asleep = make_account(is_active=False)
    theirs = services.make_secret(account=asleep, actor="test")
    tries = [(account.name, "x"), ("nobody", secret), (asleep.name, theirs), (account.name, theirs)]
    answers = [get_token(Caller(), *each) for each in tries]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1


def test_a_new_secret_ends_the_old_one_at_once_or_after_an_overlap(account):
    """Both work while the new one is rolled out."""
    first = services.make_secret(account=account, actor="test")
    second = services.make_secret(account=account, actor="test")
    works = lambda secret: get_token(Caller(), account.name, secret).status_code == 200  # noqa: E731 short
    assert [works(first), works(second)] == [False, True]
    third = services.make_secret(account=account, overlap=timedelta(hours=1), actor="test")
    assert [works(second), works(third)] == [True, True]
    with clock.offset_clock(timedelta(hours=2)):
        assert [works(second), works(third)] == [False, True]
    assert Audit.objects.filter(verb="account.secret", target_id=account.name).count() == 3


def test_without_a_token_nothing_opens(db):
    """Also with half of one, or another scheme."""
    refused(Caller())
    for header in ("Bearer", "Bearer x", "Bearer a b", "Basic eDp5", "Bearer \xff", "bearer"):
        caller = Caller()
        caller.headers = {"authorization": header}
        refused(caller)


def test_an_expired_token_opens_nothing(account):
    """It was good before."""
    past = datetime.now(UTC) - timedelta(seconds=conf.API_TOKEN_SECONDS + 5)
    with freeze_time(past):
        caller = Caller(account)
        assert caller.get("jobs/").status_code == 200
    refused(caller)


def test_a_revoked_token_opens_nothing_from_then_on(account):
    """A new one does."""
    caller = Caller(account)
    assert caller.get("jobs/").status_code == 200
    services.revoke_tokens(account=account, actor="test", reason="it leaked")
    refused(caller)
    assert Caller(account).get("jobs/").status_code == 200
    assert Audit.objects.get(verb="account.revoke").reason == "it leaked"


def test_an_account_that_is_switched_off_or_gone_opens_nothing(account):
    """At once."""
    caller = Caller(account)
    ServiceAccount.objects.update(is_active=False)
    refused(caller)
    ServiceAccount.objects.all().delete()
    refused(caller)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "another-key-of-more-than-thirty-two-characters"},
        {"token_type": "refresh"},
        {"sub": "7"},
        {"sub": None},
        {"gen": 0},
        {"gen": "1"},
        {"exp": None},
        {"jti": None},
    ],
    ids=str,
)
def test_a_forged_token_opens_nothing(account, change):
    """Signature, type, subject and generation all count."""
    named = {name: value for name, value in change.items() if value is not None}
    gone = [name for name, value in change.items() if value is None]
    token = forged(account, **named)
    if gone:
        claims = jwt.decode(token, options={"verify_signature": False})
        kept = {name: value for name, value in claims.items() if name not in gone}
        token = jwt.encode(kept, django_settings.SECRET_KEY, algorithm="HS256")
    refused(Caller(token=token))


def test_an_unsigned_token_opens_nothing(account):
    """The algorithm is ours to choose."""
    refused(Caller(token=forged(account, key=None, algorithm="none")))


def test_a_foreign_kind_and_a_foreign_queue_are_refused():
    """403, the same whether the kind exists or not."""
    caller = Caller(make_account(kinds="test.n*", queues="default"))
    assert caller.enqueue("test.noop").status_code == 201
    foreign, unknown = caller.enqueue("test.fail"), caller.enqueue("test.fail2")
    assert (foreign.status_code, name_of(foreign)) == (403, "forbidden")
    assert foreign.content.replace(b"test.fail", b"") == unknown.content.replace(b"test.fail2", b"")
    assert caller.enqueue("test.noop", queue="payments").status_code == 403
    assert Job.objects.count() == 1


def test_nobody_enqueues_a_callback_of_his_own(caller):
    """It would be signed in our name, whatever it said of whose job; no grant covers it."""
    GrantFactory(account=caller.account, kinds="callbacks.send")
    event = {"id": str(uuid4()), "state": "succeeded"}
    args = {"url": "https://hooks.example.com/", "event": event}
    assert caller.enqueue("callbacks.send", args).status_code == 403
    [shown] = [
        kind for kind in caller.get("kinds/").json()["results"] if kind["name"] == "callbacks.send"
    ]
    assert "enqueue" not in shown["verbs"]
    assert not Job.objects.exists()


def test_the_kinds_own_queue_counts_too():
    """Where the caller names none."""
    caller = Caller(make_account(kinds="*", queues="default"))
    assert caller.enqueue("payments.capture", {"payment_id": str(uuid4())}).status_code == 403


def test_a_hint_names_no_kind_that_was_not_granted():
    """What is not the account's does not exist for it."""
    caller = Caller(make_account(kinds="test.f*"))
    detail = caller.enqueue("test.failx").json()["detail"]
    assert "test.fail" in detail
    GrantFactory(account=caller.account, kinds="test.notx")
    assert "test.note" not in caller.enqueue("test.notx").content.decode()


@pytest.mark.parametrize("verb", ["enqueue", "read", "cancel", "retry"])
def test_each_verb_is_granted_by_itself(verb):
    """And no other comes with it."""
    account = make_account(verbs=[verb])
    caller, job = Caller(account), JobFactory(enqueued_by=account.origin)
    answers = {
        "enqueue": caller.enqueue(),
        "read": caller.get(f"jobs/{job.id}/"),
        "cancel": caller.post(f"jobs/{job.id}/cancel/"),
        "retry": caller.post(f"jobs/{job.id}/retry/"),
    }
    allowed = {name for name, answer in answers.items() if answer.status_code != 403}
    assert allowed == {verb}
    assert (caller.get("jobs/").status_code == 200) == (verb == "read")


def test_a_list_shows_only_kinds_that_may_be_read():
    """As by their ids: 403 there, nothing here."""
    account = make_account(kinds="test.n*", verbs=["read"])
    GrantFactory(account=account, kinds="test.fail", verbs=["read"])
    GrantFactory(account=account, kinds="*", verbs=["enqueue"])
    caller = Caller(account)
    for kind in ("test.noop", "test.fail", "test.failing", "test.sleep"):
        JobFactory(kind=kind, enqueued_by=account.origin)
    assert {job["kind"] for job in caller.get("jobs/").json()["results"]} == {
        "test.noop",
        "test.fail",
    }
    GrantFactory(account=account, kinds="*", verbs=["read"])
    assert len(caller.get("jobs/").json()["results"]) == 4


def test_anothers_job_does_not_exist(caller, stranger):
    """404 for reading and for every verb, as for a job that never was."""
    ids = [stranger.enqueue().json()["id"], str(JobFactory().id), str(uuid4())]
    for job_id in ids:
        for answer in (
            caller.get(f"jobs/{job_id}/"),
            caller.post(f"jobs/{job_id}/cancel/"),
            caller.post(f"jobs/{job_id}/retry/"),
        ):
            assert (answer.status_code, name_of(answer)) == (404, "not-found")
    assert set(Job.objects.values_list("state", flat=True)) == {"queued"}


def test_an_idempotency_key_is_the_accounts_own(caller, stranger):
    """Another account's use of the same one tells nothing."""
    mine, theirs = caller.enqueue(key="k"), stranger.enqueue(key="k")
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


def test_a_lock_is_the_accounts_own(caller, stranger):
    """Nobody stops another's jobs by taking their locks."""
    caller.enqueue(lock_key="payment:1")
    stranger.enqueue(lock_key="payment:1")
    assert len(set(Job.objects.values_list("lock_key", flat=True))) == 2


@pytest.mark.parametrize(
    ("pattern", "name", "fitting"),
    [
        ("*", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.b", "a.b", True),
        ("a.b", "a.bc", False),
        ("a.b", "axb", False),
    ],
)
def test_a_pattern_is_a_name_or_a_beginning(pattern, name, fitting):
    """Dots mean dots."""
    assert matches_pattern(pattern, name) is fitting


BOMBS = {
    "nothing": b"",
    "no json": b"kind=test.noop",
    "half": b'{"kind": "test.noop"',
    "two values": b'{"kind": "test.noop"} {}',
    "a list": b'["test.noop"]',
    "a string": b'"test.noop"',
    "null": b"null",
    "deep lists": b'{"kind":"test.note","args":{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "deep objects": b'{"args":' * 20_000 + b"1" + b"}" * 20_000,
    "a little too deep": b'{"kind":"test.large","args":{"size":' + b"[" * 70 + b"]" * 70 + b"}}",
    "NaN": b'{"kind":"test.sleep","args":{"seconds":NaN}}',
    "Infinity": b'{"kind":"test.sleep","args":{"seconds":-Infinity}}',
    "overflow": b'{"kind":"test.sleep","args":{"seconds":1e999}}',
    "a huge integer": b'{"kind":"test.noop","args":{"number":' + b"9" * 100_000 + b"}}",
    "beyond 64 bits": b'{"kind":"test.noop","args":{"number":9223372036854775808}}',
    "a key twice": b'{"kind":"test.noop","kind":"test.fail"}',
    "an argument twice": b'{"kind":"test.note","args":{"name":"a","name":"b"}}',
    "a surrogate": b'{"kind":"test.note","args":{"name":"\\ud800"}}',
    "a surrogate as a key": b'{"kind":"test.note","args":{"\\udfff":"a"}}',
    "a surrogate as a member": b'{"kind":"test.note","\\udfff":"a"}',
    "a NUL": b'{"kind":"test.note","args":{"name":"\\u0000"}}',
    "a NUL in the kind": b'{"kind":"test.noop\\u0000"}',
    "a bare NUL": b'{"kind":"test.note","args":{"name":"\x00"}}',
    "no UTF-8": b'{"kind":"test.note","args":{"name":"\xff"}}',
    "an encoded surrogate": b'{"kind":"test.note","args":{"name":"\xed\xa0\x80"}}',
    "UTF-16": '{"kind":"test.noop"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"kind":"test.noop"}',
    "a comment": b'{"kind":"test.noop"/* x */}',
    "a bad escape": b'{"kind":"\\x"}',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("path", ["jobs/", "jobs/bulk/", "token/"])
def test_what_is_not_plain_json_is_refused(caller, path, bomb):
    """400 or 422, quickly, and nothing is written."""
    answer = caller.post(path, bomb)
    assert answer.status_code in (400, 422), answer.content[:300]
    assert len(answer.content) < 20_000
    assert not Job.objects.exists()


def test_plain_json_passes_the_same_gate(caller):
    """Astral characters, escapes and the largest numbers."""
    body = b'{"kind":"test.note","args":{"name":"\\ud83d\\ude00 \\\\u0000 \xf0\x9f\x98\x80"}}'
    assert caller.post("jobs/", body).status_code == 201
    assert Job.objects.get().args["name"] == "😀 \\u0000 😀"
    assert caller.enqueue(args={"number": -(2**63) + 1}).status_code == 201


def test_a_body_beyond_the_limit_is_not_read(caller):
    """413, told by its length or found while reading."""
    large = b'{"kind":"test.note","args":{"name":"' + b"x" * 600_000 + b'"}}'
    assert caller.post("jobs/", large).status_code == 413
    huge = caller.client.generic(
        "POST",
        "/api/v1/jobs/",
        b"{}",
        content_type="application/json",
        headers=caller.headers,
        CONTENT_LENGTH="99999999999",
    )
    assert caller.check(huge).status_code == 413
    args = b'{"kind":"test.note","args":{"name":"' + b"x" * 300_000 + b'"}}'
    assert name_of(caller.post("jobs/", args)) == "invalid-args"


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 201, "a\r\nSet-Cookie: x=1", "\x00"])
def test_an_idempotency_key_is_visible_ascii(caller, key):
    """422."""
    assert caller.enqueue(key=key).status_code == 422
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ["a b", "x" * 65, "a\r\nX-Injected: 1", "<script>", "é"])
def test_a_correlation_id_of_other_shape_is_replaced(caller, name):
    """It goes into headers, logs and the ledger."""
    answer = caller.post("jobs/", {"kind": "test.noop"}, x_correlation_id=name)
    assert answer.status_code == 201
    assert answer["X-Correlation-ID"] != name
    assert "X-Injected" not in answer
    assert Job.objects.get().correlation_id == answer["X-Correlation-ID"]


def test_each_call_is_logged_with_account_and_correlation_id(caller, caplog):
    """On one line, whatever the address holds."""
    caplog.set_level(logging.INFO, logger="celeriac.api")
    caller.get("kinds/", x_correlation_id="trace-1")
    caller.get("no%0Awhere%20INFO%20forged/")
    Caller().get("jobs/")
    lines = [each.getMessage() for each in caplog.records if each.name == "celeriac.api"]
    assert lines[0].startswith("GET /api/v1/kinds/ 200")
    assert lines[0].endswith(f"account={caller.account.name}")
    assert "\n" not in lines[1]
    assert "404" in lines[1]
    assert lines[2].endswith("account=-")
    assert "401" in lines[2]


def test_no_cross_origin_header_is_sent(caller):
    """CORS is off: a browser elsewhere may not read an answer."""
    answer = caller.get("kinds/", origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_calls_beyond_the_accounts_rate_wait():
    """429 with Retry-After; another account goes on."""
    slow, other = Caller(make_account(rate_per_minute=3)), Caller(make_account())
    answers = [slow.get("kinds/") for _ in range(8)]
    refusals = [answer for answer in answers if answer.status_code == 429]
    assert len(refusals) >= 2  # the minute may turn once
    assert 1 <= int(refusals[0]["Retry-After"]) <= 60
    assert other.get("kinds/").status_code == 200


def test_guessing_secrets_is_slow(settings, db):
    """By address, not by account: nobody locks another out."""
    settings.CELERIAC = {**settings.CELERIAC, "API_TOKEN_CALLS_PER_MINUTE": 2}
    answers = [get_token(Caller(), "a", "b").status_code for _ in range(6)]
    assert answers.count(429) >= 2
    assert answers[0] == 401


def test_calls_are_answered_and_counted_while_the_cache_is_away(settings):
    """By each process for itself."""
    caches = {
        **settings.CACHES,
        "api": {**settings.CACHES["api"], "LOCATION": "redis://127.0.0.1:1"},
    }
    settings.CACHES = caches
    caller = Caller(make_account(rate_per_minute=3))
    answers = [caller.get("kinds/").status_code for _ in range(8)]
    assert answers[0] == 200
    assert answers.count(429) >= 2


@pytest.mark.parametrize(
    "body",
    [
        {f"x{n}": n for n in range(50_000)},
        {"jobs": [{"kind": "test.noop"} | {f"x{n}": n for n in range(50_000)}]},
        {"kind": "test.noop", "args": {f"x{n}": n for n in range(30_000)}},
        {"jobs": [{"kind": "test.noop", "args": {f"x{n}": n for n in range(30_000)}}] * 2},
        {"jobs": [{"kind": "test.noop", "args": {"number": "x" * 50_000}}] * 5},
    ],
    ids=["members", "members in bulk", "arguments", "arguments in bulk", "long values"],
)
@pytest.mark.parametrize("path", ["jobs/", "jobs/bulk/", "token/"])
def test_a_crowd_of_faults_is_one_fault(caller, path, body):
    """Naming each of them would cost more than the caller pays."""
    answer = caller.post(path, body)
    assert answer.status_code in (413, 422)
    assert len(answer.content) < 20_000


@pytest.mark.parametrize("charset", ["hex", "undefined", "idna", "utf-16", '"hex"'])
def test_a_charset_changes_nothing(charset, db):
    """Python has codecs that are none of text; Django looks before its first middleware."""
    said = {"CONTENT_TYPE": f"application/json; CharSet={charset}", "QUERY_STRING": "limit=%ff"}
    began = []
    answer = application(
        RequestFactory().get("/api/v1/jobs/").environ | said,
        lambda status, headers: began.append((status, dict(headers))),
    )
    answer.close()
    [(status, headers)] = began
    assert status.startswith("401")
    assert headers["Content-Type"] == "application/problem+json"


def test_a_name_that_comes_twice_is_found_in_one_pass(db):
    """Half a megabyte of names, sent without a token, held a process up for minutes."""
    names = ",".join(f'"{number:05d}":0' for number in range(40_000))
    began = time.process_time()
    answer = Caller().post("token/", f'{{{names},"z":0,"z":0}}'.encode())
    assert (answer.status_code, name_of(answer)) == (400, "malformed")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/vnd.oai.openapi"])
@pytest.mark.parametrize("path", ["schema/", "docs/"])
def test_a_problem_of_the_documents_is_json(caller, path, accept):
    """Whatever else they answer in."""
    answer = caller.client.post(f"/api/{path}", headers={"accept": accept})
    assert caller.check(answer).status_code in (405, 406)


def test_the_documents_are_open_and_say_nothing_of_the_deployment(db):
    """No kind is named, whatever the query; as JSON or YAML."""
    client = Caller().client
    for query in ("", "?version=%0Ax:%20y", "?lang=%0A", "?format=x"):
        answer = client.get(f"/api/schema/{query}")
        assert answer.status_code == 200
        assert "test.noop" not in answer.content.decode()
        assert answer.json()["openapi"].startswith("3.1")
    yaml = client.get("/api/schema/", headers={"accept": "application/vnd.oai.openapi"})
    assert yaml.content.startswith(b"openapi: 3.1")
    assert client.get("/api/docs/?script=&lang=%0A").status_code == 200
