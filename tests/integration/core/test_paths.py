"""A site below a prefix of its own: requests bear paths without it."""

import pytest
from django.http import HttpResponse
from django.urls import get_script_prefix, set_script_prefix

from celeriac.http.middleware import ApiMiddleware
from celeriac.monitoring.flower.pages import upstream_path
from celeriac.monitoring.middleware import ProbeMiddleware


@pytest.fixture
def below():
    """Let the site be below /site/, as FORCE_SCRIPT_NAME does before middleware is made."""
    before = get_script_prefix()
    set_script_prefix("/site/")
    yield
    set_script_prefix(before)


def answer(request):
    """Answer what no middleware did."""
    return HttpResponse("<h1>page</h1>", status=404)


def test_probes_are_answered_before_hosts_are_checked(below, rf):
    """A prefix hid them from the middleware: who probes by address was refused."""
    assert ProbeMiddleware(answer)(rf.get("/healthz")).status_code == 200


def test_the_apis_errors_are_problems(below, rf):
    """As they are without a prefix; other pages are left alone."""
    api = ApiMiddleware(answer)
    assert api(rf.get("/api/v1/nothing/"))["Content-Type"] == "application/problem+json"
    assert api(rf.get("/admin/nothing/"))["Content-Type"].startswith("text/html")


def test_flower_is_asked_by_its_own_address(below):
    """It knows nothing of the prefix (flowerconfig.py)."""
    assert upstream_path("task/1") == "/flower/task/1"
