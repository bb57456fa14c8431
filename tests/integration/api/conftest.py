"""What the API's tests share: accounts, their tokens, and a client that is strict about answers."""

import json

import pytest
from django.test import Client

from celeriac.core.rates import counts
from celeriac.http.authentication import AccountToken
from tests.factories_api import GrantFactory, ServiceAccountFactory
from tests.integration.api.server import WebServer

EVERYTHING = ["enqueue", "read", "cancel", "retry"]


class Caller:
    """A service as it calls: JSON in and out; every error must be a problem."""

    def __init__(self, account=None, token=None):
        """Call as the account, with a token of its own unless one is given."""
        self.account = account
        self.client = Client(raise_request_exception=False)
        if token is None and account is not None:
            token = str(AccountToken.of(account))
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def get(self, path, query=None, **headers):
        """GET."""
        return self.check(self.client.get(f"/api/v1/{path}", query, headers=self._all(headers)))

    def post(self, path, body=None, *, content_type="application/json", **headers):
        """POST a value as JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        answer = self.client.post(
            f"/api/v1/{path}", data, content_type=content_type, headers=self._all(headers)
        )
        return self.check(answer)

    def enqueue(self, kind="test.noop", args=None, *, key=None, **members):
        """POST a job."""
        headers = {} if key is None else {"idempotency_key": key}
        return self.post("jobs/", {"kind": kind, "args": args or {}, **members}, **headers)

    def check(self, answer):
        """See that an error is a problem, and that every answer bears its correlation id."""
        assert answer["X-Correlation-ID"]
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert {"type", "title", "detail"} <= problem.keys()
        return answer

    def _all(self, headers):
        return self.headers | {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(autouse=True)
def fresh_counts():
    """Count calls anew; the cache is empty."""
    counts.reset()


@pytest.fixture
def account(db):
    """Return an account that may do everything."""
    return make_account()


@pytest.fixture
def caller(account):
    """Return that account, calling."""
    return Caller(account)


@pytest.fixture
def stranger(db):
    """Return another account, calling."""
    return Caller(make_account())


def make_account(*, kinds="*", queues="*", verbs=None, **fields):
    """Return an account with one grant."""
    account = ServiceAccountFactory(**fields)
    GrantFactory(account=account, kinds=kinds, queues=queues, verbs=verbs or EVERYTHING)
    return account


def name_of(answer):
    """Return what a problem is called."""
    return answer.json()["type"].rpartition(":")[2]


@pytest.fixture(scope="session")
def web(process_env, run_directory, forks):
    """Yield a real web server on this test process's database, shared by its tests."""
    env = process_env | {"API_CALLS_PER_MINUTE": "1000000", "LOG_LEVEL": "INFO"}
    server = WebServer(env=env, directory=run_directory / "logs" / "web", forks=forks)
    yield server
    server.stop()
