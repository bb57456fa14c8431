"""A secret in the errors of real clients: each writes it in its own way, all are redacted."""

import json
import re
import subprocess
import traceback
import urllib.error
import urllib.request
from datetime import date
from uuid import UUID

import httpx
import psycopg
import pydantic
import pytest
import requests

from celeriac.jobs.redaction import MASK, redactor_of
from celeriac.jobs.registry import Kind
from celeriac.jobs.schema import Schema
from sandbox.common.http import LoopbackServer, Response

#: What a password may hold; each word of it would show on its own.
SECRET = "sesame/öffne+dich&\"jetzt\" 100%'sofort'=bald"
WORDS = re.compile("(?i)sesame|ffne|dich|jetzt|sofort|bald|c2VzYW1l|ZXNhbW|lc2FtZ")


def handler(password: str) -> None:
    """Take a secret."""


KIND = Kind(name="unit.kind", handler=handler, schema=Schema.of(handler), redact=("password",))


@pytest.fixture(scope="module")
def echo():
    """Yield the address of a server that refuses each request and says what it was."""

    def refuse(request):
        said = {
            "path": request.path,
            "query": request.query,
            "body": request.body.decode("latin-1"),
            "headers": dict(request.headers),
        }
        return Response.of_json(said, 422)

    server = LoopbackServer(refuse)
    server.start()
    yield server.url
    server.stop()


def of_httpx_query(echo):
    """The error names the whole address."""
    httpx.get(f"{echo}/pay", params={"password": SECRET}).raise_for_status()


def of_httpx_form(echo):
    """The answer repeats the form."""
    raise ValueError(httpx.post(f"{echo}/pay", data={"password": SECRET}).text)


def of_httpx_json(echo):
    """JSON, in JSON."""
    raise ValueError(httpx.post(f"{echo}/pay", json={"password": SECRET}).text)


def of_httpx_basic(echo):
    """In base64, behind the user's name."""
    raise ValueError(httpx.get(f"{echo}/pay", auth=("anna", SECRET)).text)


def of_requests_query(echo):
    """Another library's way to quote."""
    requests.get(f"{echo}/pay", params={"password": SECRET}, timeout=5).raise_for_status()


def of_requests_path(echo):
    """As part of the path."""
    address = f"{echo}/pay/{requests.utils.quote(SECRET, safe='')}"
    requests.get(address, timeout=5).raise_for_status()


def of_requests_basic(echo):
    """Latin letters in base64."""
    raise ValueError(requests.get(f"{echo}/pay", auth=("anna", SECRET), timeout=5).text)


def of_requests_refused(echo):
    """Nobody listens, and the error names what was asked."""
    requests.get("http://127.0.0.1:1/pay", params={"password": SECRET}, timeout=5)


def of_urllib(echo):
    """Of the standard library."""
    query = urllib.parse.urlencode({"password": SECRET})
    try:
        urllib.request.urlopen(f"{echo}/pay?{query}", timeout=5)  # noqa: S310 our own server
    except urllib.error.HTTPError as error:
        raise ValueError(error.read()) from error


def of_postgres(echo, database_url):
    """The detail of a constraint quotes the row."""
    with psycopg.connect(database_url) as session:
        session.execute("CREATE TEMP TABLE seen (word text PRIMARY KEY)")
        for _ in range(2):
            session.execute("INSERT INTO seen VALUES (%s)", [SECRET])


def of_postgres_syntax(echo, database_url):
    """So does a value of the wrong type."""
    with psycopg.connect(database_url) as session:
        session.execute("SELECT %s::text::int", [SECRET])


def of_redis(echo, broker):
    """A command that is none is quoted by the server."""
    broker.execute_command("AUTHENTICATE", SECRET)


def of_pydantic(echo):
    """The input of a failed validation."""
    pydantic.TypeAdapter(dict[str, UUID]).validate_python({"password": SECRET})


def of_json(echo):
    """A document that is none carries it whole."""
    text = json.dumps({"password": SECRET})[:-1]
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error}: {error.doc!r}") from error


def of_a_date(echo):
    """The repr of a text."""
    date.fromisoformat(SECRET)


def of_bytes(echo):
    """The repr of bytes."""
    raise ValueError(SECRET.encode())


def of_unicode(echo):
    """What could not be encoded."""
    try:
        SECRET.encode("ascii")
    except UnicodeEncodeError as error:
        raise ValueError(repr(error), error.object) from error


def of_a_program(echo):
    """The command line of what failed."""
    subprocess.run(["false", "--password", SECRET], check=True)


def of_a_key(echo):
    """KeyError shows the repr."""
    raise KeyError(SECRET)


CLIENTS = [value for name, value in list(globals().items()) if name.startswith("of_")]


@pytest.mark.django_db
@pytest.mark.parametrize("fails", CLIENTS, ids=lambda client: client.__name__)
def test_no_word_of_a_secret_is_left_in_a_clients_error(fails, echo, request):
    """Neither in the message nor in the traceback, in any encoding."""
    asked = fails.__code__.co_varnames[: fails.__code__.co_argcount]
    given = {name: request.getfixturevalue(name) for name in asked}
    with pytest.raises(Exception) as caught:  # noqa: PT011 any client's error
        fails(**given)
    hidden = redactor_of(KIND, json.dumps({"password": SECRET}))
    # Not the lines of this file, which name the secret's parts.
    texts = [
        str(caught.value),
        repr(caught.value),
        traceback.format_exception_only(caught.value)[-1],
    ]
    assert any(WORDS.search(text) for text in texts), texts
    for text in texts:
        shown = hidden.text(text)
        assert MASK in shown or not WORDS.search(text)
        assert not WORDS.search(shown), shown
