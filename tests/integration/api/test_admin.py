"""Service accounts in the admin: made, granted, given secrets, revoked; each verb audited."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from celeriac.core.models import Audit
from celeriac.http.models import ServiceAccount
from tests.factories import UserFactory
from tests.integration.api.conftest import Caller, make_account

pytestmark = pytest.mark.django_db

SECRET = re.compile(r'id="secret">([^<]+)<')


@pytest.fixture
def staff(client, django_user_model):
    """Return a client that is signed in as a user who may do everything."""
    client.force_login(django_user_model.objects.create_superuser("root@api.example", "x"))
    return client


def page(name, *arguments):
    """Return an admin page's address."""
    return reverse(f"admin:celeriac_http_serviceaccount_{name}", args=arguments)


def form(name="billing", **changed):
    """Return the form of an account with one grant."""
    fields = {
        "name": name,
        "is_active": "on",
        "grants-TOTAL_FORMS": 1,
        "grants-INITIAL_FORMS": 0,
        "grants-0-kinds": "test.*",
        "grants-0-queues": "default",
        "grants-0-verbs": ["enqueue", "read"],
        "secrets-TOTAL_FORMS": 0,
        "secrets-INITIAL_FORMS": 0,
        "reason": "asked for",
    }
    return fields | changed


def test_an_account_is_made_with_its_grants(staff):
    """And the audit trail says what it may do."""
    assert staff.post(page("add"), form()).status_code == 302
    account = ServiceAccount.objects.get(name="billing")
    assert Caller(account).enqueue().status_code == 201
    trail = Audit.objects.get(verb="service account.create")
    assert (trail.target_id, trail.actor.email) == ("billing", "root@api.example")
    assert trail.details["new"]["grants"] == ["enqueue, read: test.* on default"]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"name": "Big Bill"}, {"name": "a\nb"}, {"rate_per_minute": 0}),
        *({"grants-0-kinds": "*.x"}, {"grants-0-queues": ""}, {"grants-0-verbs": ["own"]}),
    ],
    ids=str,
)
def test_a_form_that_does_not_fit_makes_nothing(staff, wrong):
    """It is shown again."""
    assert staff.post(page("add"), form(**wrong)).status_code == 200
    assert not ServiceAccount.objects.exists()


def test_the_name_stays_and_accounts_are_not_deleted(staff):
    """Jobs bear it."""
    account = make_account()
    staff.post(page("change", account.pk), form(name="other"))
    account.refresh_from_db()
    assert account.name != "other"
    assert staff.post(page("delete", account.pk), {"post": "yes"}).status_code == 403


def test_a_secret_is_shown_once_and_works(staff):
    """Nowhere else, not even in the list of secrets."""
    account = make_account()
    url = reverse("admin:celeriac_http_serviceaccount_new_secret", args=[account.pk])
    assert staff.get(url).status_code == 200
    assert not account.secrets.exists()
    answer = staff.post(url, {"reason": "first", "overlap_hours": 0})
    assert "no-store" in answer["Cache-Control"]
    secret = SECRET.search(answer.content.decode())[1]
    given = {"client_id": account.name, "client_secret": secret}
    assert Caller().post("token/", given).status_code == 200
    for again in (staff.get(url), staff.get(page("change", account.pk))):
        assert secret not in again.content.decode()
    assert secret not in str(list(Audit.objects.values()))


def test_tokens_are_revoked_at_once(staff):
    """With the reason in the trail."""
    account = make_account()
    caller = Caller(account)
    url = reverse("admin:celeriac_http_serviceaccount_revoke", args=[account.pk])
    assert staff.post(url, {"reason": ""}).status_code == 200
    assert caller.get("kinds/").status_code == 200
    assert staff.post(url, {"reason": "leaked"}).status_code == 302
    assert caller.get("kinds/").status_code == 401
    assert Audit.objects.get(verb="account.revoke").reason == "leaked"


def test_each_verb_is_a_permission_of_its_own(client, django_user_model):
    """Who may change accounts may neither make secrets nor revoke."""
    clerk = django_user_model.objects.create_user("clerk@api.example", "x", is_staff=True)
    names = ["view_serviceaccount", "change_serviceaccount"]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(clerk)
    account = make_account()
    for verb in ("new_secret", "revoke"):
        url = reverse(f"admin:celeriac_http_serviceaccount_{verb}", args=[account.pk])
        answer = client.post(url, {"reason": "x", "overlap_hours": 0})
        assert answer.status_code in (302, 403)
    account.refresh_from_db()
    assert account.generation == 1
    assert not account.secrets.exists()


def test_the_list_costs_the_same_however_many_accounts(staff, django_assert_max_num_queries):
    """Grants come along."""
    for _ in range(10):
        make_account()
    with django_assert_max_num_queries(12):
        assert staff.get(page("changelist")).status_code == 200


def test_nobody_grants_a_program_what_she_may_not_do_herself(client):
    """Neither in a new grant, nor by a wider one, nor by a secret of an account that may more."""
    user = UserFactory(is_staff=True)
    names = ("serviceaccount", "grant")
    mine = [f"{verb}_{name}" for verb in ("add", "change", "delete", "view") for name in names]
    of_api = Permission.objects.filter(codename__in=(*mine, "make_secret"))
    user.user_permissions.set(of_api | Permission.objects.filter(codename="view_job"))
    client.force_login(user)
    for verbs in (["cancel"], ["read", "retry"]):
        answer = client.post(page("add"), form(**{"grants-0-verbs": verbs}))
        assert "may not grant what you may not do yourself" in answer.content.decode()
    assert not ServiceAccount.objects.exists()
    assert client.post(page("add"), form()).status_code == 302  # reads, as she does, and enqueues
    mine, theirs = ServiceAccount.objects.get(), make_account(verbs=["read", "retry"])
    grant = theirs.grants.get()
    wider = form(**{"grants-INITIAL_FORMS": 1, "grants-0-id": grant.pk, "grants-0-kinds": "*",
                    "grants-0-account": theirs.pk, "grants-0-verbs": ["read"]})  # fmt: skip
    assert client.post(page("change", theirs.pk), wider).status_code == 403
    path = "/admin/celeriac_http/serviceaccount/{}/secret/"
    given = {"reason": "x", "overlap_hours": 0}
    assert client.post(path.format(theirs.pk), given).status_code == 403
    assert not theirs.secrets.exists()
    assert SECRET.search(client.post(path.format(mine.pk), given).content.decode())
