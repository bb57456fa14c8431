"""Nobody grants, takes or comes by what she does not hold: tried at every address of the admin.

The addresses come from the URL conf, so that one that is added later is tried without a change.
"""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from apps.accounts.models import FailedSignIn, User
from celeriac.core.models import Audit
from tests.factories import UserFactory
from tests.integration.test_urls_guarded import path_of, patterns

pytestmark = pytest.mark.django_db

NEW = "a-new-passphrase-4711"
HASH = "md5$"


@pytest.fixture(autouse=True)
def few_permissions():
    """Keep some permissions, so that the forms which show all of them are quick."""
    Permission.objects.exclude(
        content_type__app_label__in=("accounts", "auth", "celeriac_jobs")
    ).delete()


def addresses():
    """Return the name and parts of every admin URL that shows or writes people and groups."""
    found = []
    for name, parts, callback in patterns(get_resolver(), ()):
        model = getattr(getattr(callback, "model_admin", None), "model", None)
        is_sites_own = name.startswith("admin:") and model is None
        if (model in (User, Group, FailedSignIn) or is_sites_own) and name != "admin:logout":
            found.append((name, parts))
    return found


def member(*groups, **fields):
    """Return a member of staff in these groups."""
    user = UserFactory(is_staff=True, **fields)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def may(user, *labels):
    """Give permissions such as auth.change_group."""
    for label in labels:
        app, codename = label.split(".")
        found = Permission.objects.get(content_type__app_label=app, codename=codename)
        user.user_permissions.add(found)
    return user


def payloads(name, actor, victim, group):
    """Yield what an attacker would post: everything that any of the forms takes, and actions."""
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    groups = [str(pk) for pk in Group.objects.values_list("pk", flat=True)]
    flags = {"is_active": "on", "is_staff": "on", "is_superuser": "on"}
    passwords = {"password1": NEW, "password2": NEW, "new_password1": NEW, "new_password2": NEW}
    whole = {"email": "mine@example.com", "password": NEW, "usable_password": "true",
             "reason": "mine", "old_password": "guess"} | flags | passwords  # fmt: skip
    yield whole | {"groups": groups, "user_permissions": every, "name": "x", "permissions": every}
    yield {"email": victim.email, "name": group.name, "reason": "mine", "_popup": "1"}
    if not name.endswith("_changelist"):
        return  # actions belong to lists
    row = victim if "_user_" in name else group
    chosen = {"_selected_action": [str(row.pk)], "select_across": "0"}
    for verb in ("delete_selected", "unlock_account", "unlock_address"):
        yield chosen | {"action": verb, "post": "yes", "confirmed": "yes", "reason": "mine"}


def standing(user):
    """Return all that a person is and may do."""
    fresh = User.objects.get(pk=user.pk)
    plain = {field.name: getattr(fresh, field.name) for field in User._meta.concrete_fields}
    groups = sorted(fresh.groups.values_list("name", "permissions__codename"))
    return plain, groups, sorted(fresh.user_permissions.values_list("codename", flat=True))


def attack(actor, victim, group, check):
    """Post every payload to every address, each time to things as they were, and check."""
    client = Client(raise_request_exception=False)
    client.force_login(actor)
    cookies, answers = client.cookies.output(), set()
    for name, parts in addresses():
        keys = {"accounts_user": (actor.pk, victim.pk), "auth_user": (actor.pk, victim.pk)}
        own = next((keys[model] for model in keys if f":{model}_" in name), (group.pk,))
        paths = {path_of(parts, {"": str(key), "app_label": "accounts"}) for key in own}
        for path in paths:
            for data in payloads(name, actor, victim, group):
                point = transaction.savepoint()
                answer = client.post(path, data)
                assert answer.status_code < 500, (name, path)
                answers.add((name, answer.status_code))
                check(path)
                transaction.savepoint_rollback(point)
                if client.cookies.output() != cookies:
                    client.force_login(actor)
                    cookies = client.cookies.output()
    return answers


def test_a_member_of_the_admins_touches_no_superuser_and_makes_none():
    """Neither password, address, flags nor groups; not by deleting her; nor her own group."""
    boss = member("viewer", is_superuser=True)
    actor, group = member("admin"), Group.objects.get(name="viewer")
    before, held = standing(boss), actor.get_all_permissions()

    def check(path):
        assert standing(boss) == before, path
        assert User.objects.filter(is_superuser=True).get() == boss, path
        after = User.objects.filter(pk=actor.pk).first()
        assert after is None or after.get_all_permissions() <= held, path
        assert Group.objects.get(pk=group.pk).name == "viewer", path

    answers = attack(actor, boss, group, check)
    assert ("admin:accounts_user_add", 302) in answers  # what she may do, she could


def test_whoever_manages_people_gets_no_more_than_she_holds():
    """With every right over people and groups and no other: operators stand as they stood."""
    actor = may(member(), "accounts.change_user", "accounts.add_user", "accounts.delete_user",
                "auth.change_group", "auth.add_group", "auth.delete_group")  # fmt: skip
    operator, group = member("operator"), Group.objects.get(name="operator")
    before, held = standing(operator), actor.get_all_permissions()

    def check(path):
        assert standing(operator) == before, path
        for user in User.objects.exclude(pk=operator.pk):
            assert not user.is_superuser, path
            assert user.get_all_permissions() <= held, path
        for each in Group.objects.exclude(name__in=("viewer", "operator", "admin")):
            assert not each.permissions.exists(), path

    attack(actor, operator, group, check)


def test_what_she_holds_she_gives_and_takes():
    """A group, a permission, a password of somebody who may do less; each with its reason."""
    actor, eye = member("admin"), member("viewer")
    client = Client()
    client.force_login(actor)
    page = f"/admin/accounts/user/{eye.pk}/change/"
    operator = Group.objects.get(name="operator")
    data = {"email": "eye@example.com", "is_active": "on", "is_staff": "on"}
    answer = client.post(page, data | {"groups": [operator.pk], "reason": "joins the night shift"})
    assert answer.status_code == 302
    entry = Audit.objects.get(verb="user.change")
    assert (entry.actor, entry.reason) == (actor, "joins the night shift")
    assert entry.details["old"] == {"email": eye.email, "groups": ["viewer"]}
    assert entry.details["new"] == {"email": "eye@example.com", "groups": ["operator"]}
    secret = {"password1": NEW, "password2": NEW, "usable_password": "true", "reason": "forgot it"}
    assert client.post(f"/admin/accounts/user/{eye.pk}/password/", secret).status_code == 302
    eye.refresh_from_db()
    assert eye.check_password(NEW)
    assert Audit.objects.latest("at").reason == "forgot it"
    told = str(list(Audit.objects.values()))
    assert NEW not in told
    assert HASH not in told


def test_every_form_about_people_and_groups_asks_why():
    """Derived from the URL conf: with all else right and no reason, nothing is written."""
    boss = member(is_superuser=True)
    client = Client()
    client.force_login(boss)
    eye, group = member("viewer"), Group.objects.create(name="spare")
    keys = {"accounts_user": eye.pk, "auth_user": eye.pk, "auth_group": group.pk}
    tried = set()
    for name, parts in addresses():
        short = name.removeprefix("admin:")
        model = next((key for key in keys if short.startswith(f"{key}_")), "")
        if not short.endswith(("_add", "_change", "_delete")):
            continue
        path = path_of(parts, {"": str(keys.get(model, "")), "app_label": "accounts"})
        data = {"email": "other@example.com", "name": "other", "post": "yes", "is_active": "on",
                "password1": NEW, "password2": NEW, "usable_password": "true",
                "old_password": "secret", "new_password1": NEW, "new_password2": NEW}  # fmt: skip
        before = (standing(boss), standing(eye), sorted(Group.objects.values_list("name")))
        answer = client.post(path, data | {"reason": "  "})
        if name.startswith("admin:accounts_failedsignin"):  # shows only
            assert answer.status_code in (302, 403)
            continue
        assert answer.status_code == 200, (name, answer.status_code)
        assert "reason" in answer.content.decode(), name
        assert (standing(boss), standing(eye), sorted(Group.objects.values_list("name"))) == before
        tried.add(short)
    assert tried >= {"accounts_user_add", "accounts_user_change", "accounts_user_delete",
                     "auth_user_password_change", "auth_group_add", "auth_group_change",
                     "auth_group_delete", "password_change"}  # fmt: skip
    assert not Audit.objects.exists()


def test_deletions_ask_why_and_keep_what_was():
    """Of one on its page, of many in the list."""
    client = Client()
    client.force_login(member(is_superuser=True))
    one, two = member("viewer"), member("operator")
    many = {"action": "delete_selected", "_selected_action": [str(two.pk)], "post": "yes"}
    client.post("/admin/accounts/user/", many)
    assert User.objects.filter(pk=two.pk).exists()
    client.post("/admin/accounts/user/", many | {"reason": "left"})
    client.post(f"/admin/accounts/user/{one.pk}/delete/", {"post": "yes", "reason": "left, too"})
    assert not User.objects.filter(pk__in=(one.pk, two.pk)).exists()
    reasons = dict(Audit.objects.filter(verb="user.delete").values_list("details__name", "reason"))
    assert reasons == {one.email: "left, too", two.email: "left"}
    assert Audit.objects.get(details__name=two.email).details["old"]["groups"] == ["operator"]


def test_a_save_takes_nothing_back_that_somebody_else_did_meanwhile():
    """The row is read under its lock, not as the page was made."""
    actor, eye = member("admin"), member("viewer")
    client = Client()
    client.force_login(actor)
    client.get(f"/admin/accounts/user/{eye.pk}/change/")
    User.objects.filter(pk=eye.pk).update(is_superuser=True)
    data = {"email": "x@example.com", "reason": "y"}
    assert client.post(f"/admin/accounts/user/{eye.pk}/change/", data).status_code == 403
    assert User.objects.get(pk=eye.pk).is_superuser


def test_nobody_takes_a_name_that_releases_give_permissions_to():
    """Once the group was deleted, another of its name would get what the next release declares."""
    actor = may(member(), "auth.add_group", "auth.change_group", "auth.view_group")
    client = Client()
    client.force_login(actor)
    Group.objects.filter(name="operator").delete()
    spare = Group.objects.create(name="spare")
    for page in ("/admin/auth/group/add/", f"/admin/auth/group/{spare.pk}/change/"):
        answer = client.post(page, {"name": "operator", "reason": "mine"})
        assert "ask a superuser" in answer.content.decode()
    assert not Group.objects.filter(name="operator").exists()
    client.force_login(member(is_superuser=True))
    page = "/admin/auth/group/add/"
    assert client.post(page, {"name": "operator", "reason": "anew"}).status_code == 302
