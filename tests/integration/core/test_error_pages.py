"""What goes wrong has a page of our own, with the reason and a way back."""

import json

import psycopg
import pytest
from django.core.exceptions import PermissionDenied
from django.db import InternalError, OperationalError, connection
from django.http import Http404
from django.test import Client
from django.urls import path

from celeriac.core import errorpages
from config import urls
from tests.integration.api.conftest import Caller, make_account, name_of

handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def refused(request):
    """Refuse with a reason."""
    raise PermissionDenied(
        "You need the permission celeriac_monitoring.view_flower: ask an <administrator>."
    )


def missing(request):
    """Find nothing."""
    raise Http404("'x' is no schedule's key.")


def broken(request):
    """Fail."""
    raise RuntimeError("a secret of ours")


def away(request):
    """Meet a server that shuts down."""
    raise OperationalError from psycopg.errors.AdminShutdown("shutting down")


urlpatterns = [
    path("refused/", refused),
    path("missing/", missing),
    path("broken/", broken),
    path("away/", away),
    path("api/v1/away/", away),
    *urls.urlpatterns,
]


@pytest.fixture
def visitor():
    """Return a client that is told of errors as a browser is."""
    return Client(raise_request_exception=False)


def page_of(answer, status):
    """Return the text of an error page of ours."""
    assert answer.status_code == status
    text = answer.content.decode()
    assert 'href="/"' in text
    assert answer["X-Correlation-ID"] in text
    assert "unsafe-eval" not in answer["Content-Security-Policy"]
    assert "<script" not in text
    return text


def test_a_refusal_keeps_its_reason_and_leads_back(visitor):
    """The reason names the remedy; it was dropped."""
    before = "http://testserver/admin/celeriac_jobs/job/"
    page = page_of(visitor.get("/refused/", headers={"referer": before}), 403)
    assert "celeriac_monitoring.view_flower: ask an &lt;administrator&gt;" in page
    assert f'href="{before}"' in page
    for foreign in ("https://evil.example/", "javascript:alert(1)", "//evil.example"):
        assert foreign not in page_of(visitor.get("/refused/", headers={"referer": foreign}), 403)


def test_the_other_pages_say_what_happened_and_no_secret(visitor):
    """400, 404, 405 and 500, and a form without its token."""
    assert "no schedule" in page_of(visitor.get("/missing/"), 404)
    assert "There is nothing here" in page_of(visitor.get("/nowhere/"), 404)
    assert "a secret of ours" not in page_of(visitor.get("/broken/"), 500)
    assert "go back" in page_of(visitor.get("/webhooks/stripe/"), 405)
    refused = visitor.get("/webhooks/stripe/")
    assert (refused["Allow"], refused["Content-Length"]) == ("POST", str(len(refused.content)))
    strict = Client(enforce_csrf_checks=True)
    assert "form has expired" in page_of(strict.post("/admin/login/", {"username": "a"}), 403)
    bad = visitor.get("/admin/", headers={"host": "evil.example"})
    assert (bad.status_code, b"could not be read" in bad.content) == (400, True)


def test_an_outage_is_a_503_that_says_when_to_try_again(visitor):
    """In a view, in a page's session, and as a problem in the API."""
    page = page_of(visitor.get("/away/"), 503)
    assert "database is away" in page
    assert visitor.get("/away/")["Retry-After"] == "5"
    problem = visitor.get("/api/v1/away/")
    assert (problem.status_code, problem["Retry-After"]) == (503, "5")
    assert json.loads(problem.content)["status"] == 503


def test_an_outage_outside_of_views_is_a_503_too(rf):
    """Middleware fails beyond the reach of process_exception."""
    request = rf.get("/")
    try:
        raise InternalError from psycopg.errors.ReadOnlySqlTransaction("a reader")
    except InternalError:
        assert errorpages.server_error(request).status_code == 503
    assert errorpages.server_error(request).status_code == 500


@pytest.mark.django_db(transaction=True)
def test_who_met_a_reader_connects_anew_and_goes_on(visitor):
    """A kept session would look healthy and refuse every write for as long as it is kept."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    typed = {"username": "a@b.example", "password": "x"}
    assert visitor.post("/admin/login/", typed).status_code == 503
    connection.close_if_unusable_or_obsolete()  # as each request of a server begins
    assert visitor.post("/admin/login/", typed).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_api_that_met_a_reader_connects_anew_and_goes_on():
    """Each caller is told when to try again; the next call finds the writer."""
    caller = Caller(make_account())
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    met = caller.enqueue("test.noop")
    assert (met.status_code, met["Retry-After"], name_of(met)) == (503, "5", "unavailable")
    connection.close_if_unusable_or_obsolete()  # as each request of a server begins
    assert caller.enqueue("test.noop").status_code == 201


def test_only_pages_in_the_admins_frame_may_evaluate(visitor):
    """The login, the API, unsubscribing and errors."""
    frames = {"/admin/login/": True, "/unsubscribe/x/": False, "/api/schema/": False,
              "/api/docs/": False, "/": False}  # fmt: skip
    found = {place: "unsafe-eval" in visitor.get(place)["Content-Security-Policy"]
             for place in frames}  # fmt: skip
    assert found == frames
