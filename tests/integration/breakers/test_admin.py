"""Circuits in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.accounts.models import User
from celeriac.breakers.api import CircuitOpen
from celeriac.breakers.models import Breaker
from celeriac.breakers.services import declare_rows, force_open
from celeriac.core.models import Audit
from tests.integration.breakers.support import QUICK, call, row, trip, wait_until_written


@pytest.fixture
def staff(client):
    """Sign in somebody who may look; return a function that grants more."""
    user = User.objects.create_user("ada@example.com", is_staff=True)

    def grant(*names):
        found = Permission.objects.filter(
            codename__in=names, content_type__app_label="celeriac_breakers"
        )
        assert found.count() == len(names)
        user.user_permissions.add(*found)

    grant("view_breaker", "view_transition")
    client.force_login(user)
    declare_rows()
    return grant


def page(name="gate", verb=None):
    """Return the URL of a breaker's page or of one of its verbs."""
    if verb:
        return reverse(f"admin:celeriac_breakers_breaker_{verb}", args=[name])
    return reverse("admin:celeriac_breakers_breaker_change", args=[name])


def submit(client, verb, **values):
    """Fill in a verb's dialog."""
    return client.post(page(verb=verb), {"_form_submitted": "on", **values})


def test_the_list_shows_where_each_circuit_stands(client, staff):
    """And who holds it."""
    force_open("gate", actor="ada", reason="maintenance")
    shown = client.get(reverse("admin:celeriac_breakers_breaker_changelist")).content.decode()
    assert "forced open" in shown
    assert "ada: maintenance" in shown


def test_a_force_of_a_program_is_somebodys(client, staff):
    """No actor was given: the page names nobody, and says so."""
    force_open("gate", reason="maintenance")
    shown = client.get(reverse("admin:celeriac_breakers_breaker_changelist")).content.decode()
    assert "somebody: maintenance" in shown


def test_the_list_costs_the_same_for_many(client, staff, settings, django_assert_max_num_queries):
    """The database is asked once for all rows; windows come from the store."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {f"gate-{n}": QUICK for n in range(20)}}
    declare_rows()
    with django_assert_max_num_queries(8):
        client.get(reverse("admin:celeriac_breakers_breaker_changelist"))


def test_the_page_shows_the_history(client, staff):
    """With counts and the last error."""
    trip("gate")
    wait_until_written()
    shown = client.get(page()).content.decode()
    assert "ProviderDown: down" in shown
    assert "4 / 4 / 0" in shown
    assert client.get(reverse("admin:celeriac_breakers_transition_changelist")).status_code == 200


@pytest.mark.parametrize("verb", ["force_open", "force_closed", "clear", "tune"])
def test_looking_is_not_doing(client, staff, verb):
    """Each verb is a permission of its own."""
    response = submit(client, verb, reason="curious")
    assert response.status_code == 403
    assert not Audit.objects.exists()


def test_nobody_edits_rows_by_hand(client, staff):
    """Not even with Django's own permissions."""
    staff("change_breaker", "delete_breaker", "add_breaker")
    assert client.post(page(), {"name": "gate", "state": "open"}).status_code == 403
    assert client.get(reverse("admin:celeriac_breakers_breaker_add")).status_code == 403
    assert row("gate").state == "closed"


def test_a_circuit_is_forced_open_with_a_reason(client, staff):
    """The dialog asks for it; the audit trail has it."""
    staff("force_breaker")
    assert client.get(page(verb="force_open")).status_code == 200
    assert submit(client, "force_open", reason="").status_code == 200
    assert row("gate").forced == ""
    response = submit(client, "force_open", reason="maintenance", minutes="30")
    assert response.status_code == 302
    with pytest.raises(CircuitOpen):
        call("gate")
    assert row("gate").forced_until is not None
    audit = Audit.objects.get(verb="breaker.force_open")
    assert (audit.actor.email, audit.reason) == ("ada@example.com", "maintenance")


def test_a_dialog_sends_the_browser_back_to_the_page(client, staff):
    """It posts by htmx, which follows a header."""
    staff("force_breaker")
    response = client.post(
        page(verb="force_closed"),
        {"_form_submitted": "on", "reason": "the status page lies"},
        headers={"HX-Request": "true"},
    )
    assert response.headers["HX-Redirect"] == page()
    assert row("gate").forced == "closed"


def test_a_circuit_is_cleared(client, staff):
    """With a permission of its own."""
    staff("clear_breaker")
    force_open("gate", actor="bob", reason="maintenance")
    assert submit(client, "clear", reason="done").status_code == 302
    call("gate")


def test_options_are_tuned(client, staff):
    """What is left empty comes from settings."""
    staff("tune_breaker")
    assert "placeholder" in client.get(page(verb="tune")).content.decode()
    response = submit(client, "tune", reason="noisy", min_volume="50", failure_rate="0.8")
    assert response.status_code == 302
    assert row("gate").overrides == {"min_volume": 50, "failure_rate": 0.8}
    assert "min_volume=50 (tuned)" in client.get(page()).content.decode()


def test_options_that_do_not_fit_come_back(client, staff):
    """With the reason."""
    staff("tune_breaker")
    response = submit(client, "tune", reason="typo", failure_rate="7")
    assert response.status_code == 200
    assert "share" in response.content.decode()
    assert row("gate").overrides == {}


def test_a_breaker_of_a_family_has_a_page(client, staff, settings):
    """Its name holds a colon."""
    settings.CELERIAC = {**settings.CELERIAC, "BREAKERS": {"callbacks": QUICK}}
    trip("callbacks:a.example")
    wait_until_written()
    assert Breaker.objects.filter(name="callbacks:a.example").exists()
    staff("clear_breaker")
    from django.contrib.admin.utils import quote

    name = quote("callbacks:a.example")
    assert client.get(page(name)).status_code == 200
    response = client.post(page(name, "clear"), {"_form_submitted": "on", "reason": "ok"})
    assert response.status_code == 302


def test_a_breaker_that_settings_no_longer_name_is_still_shown(client, staff):
    """A row of the past breaks no page."""
    Breaker.objects.create(name="gone")
    shown = client.get(reverse("admin:celeriac_breakers_breaker_changelist"))
    assert "gone" in shown.content.decode()
    assert client.get(page("gone")).status_code == 200
