"""Wrong passwords are counted, written down and end; sessions end, too."""

import logging
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from celeriac.core.models import Audit
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
CHANGE = "/admin/password_change/"
#: The factory's.
RIGHT = "secret"


@pytest.fixture(autouse=True)
def limits(settings):
    """Few failures are enough to see what many do."""
    settings.SIGN_IN_FAILURES = settings.AXES_FAILURE_LIMIT = 3
    settings.SIGN_IN_FAILURES_AT_ADDRESS = 6


def sign_in(name, password=RIGHT, **meta):
    """Post the sign-in form and return the answer."""
    return Client().post(LOGIN, {"username": name, "password": password}, **meta)


def person(**fields):
    """Return a member of staff."""
    return UserFactory(is_staff=True, **fields)


def verbs():
    """Return the audit's verbs in order."""
    return list(Audit.objects.order_by("at").values_list("verb", flat=True))


def test_after_some_wrong_passwords_the_right_one_does_not_work_either(caplog):
    """Sixty in a row and then the right one got in; now the page says how long to wait."""
    user = person()
    with caplog.at_level(logging.INFO, "celeriac.accounts"):
        answers = [sign_in(user.email, "wrong", REMOTE_ADDR=f"192.0.2.{n}") for n in range(5)]
        answers.append(sign_in(user.email))
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 429, 429]
    assert answers[-1]["Retry-After"] == "900"
    assert "Too many wrong passwords" in answers[-1].content.decode()
    assert verbs() == ["sign_in.failed"] * 3 + ["sign_in.locked"]
    entry = Audit.objects.filter(verb="sign_in.failed").latest("at")
    assert (entry.target_id, entry.details["address"]) == (str(user.pk), "192.0.2.2")
    lines = [line for line in caplog.records if line.name == "celeriac.accounts"]
    said = [line.getMessage().partition(":")[0] for line in lines]
    assert said == ["sign-in failed"] * 3 + ["sign-in locked"] + ["sign-in refused"] * 3


@pytest.mark.parametrize("spelling", ["{0}", " {0} ", "{1}", "\uff50{2}"])
def test_no_other_spelling_of_an_account_gives_more_tries(spelling):
    """Spaces, capitals and wide letters are the same account to the form."""
    user = person(email="person@example.com")
    name = spelling.format(user.email, user.email.upper(), user.email[1:])
    for n in range(3):
        sign_in(name, "wrong", REMOTE_ADDR=f"192.0.2.{n}")
    assert sign_in(user.email, REMOTE_ADDR="192.0.2.99").status_code == 429


def test_an_address_is_counted_over_all_accounts_and_more_patiently():
    """Many sit behind one; whoever tries many accounts from there is stopped all the same."""
    user = person()
    codes = [sign_in(f"nobody{n}@example.com", "wrong").status_code for n in range(6)]
    assert codes == [200] * 5 + [429]
    assert sign_in(user.email).status_code == 429
    assert sign_in(user.email, REMOTE_ADDR="192.0.2.1").status_code == 302


def test_a_right_password_forgets_its_own_account_only():
    """Else whoever has an account could try others' passwords for ever in between."""
    user, victim = person(), person()
    sign_in(user.email, "wrong")
    sign_in(victim.email, "wrong")
    assert sign_in(user.email).status_code == 302
    left = list(AccessAttempt.objects.values_list("username", "failures_since_start"))
    assert left == [(victim.email, 1)]


def test_a_lock_ends_by_itself_however_often_somebody_tries_meanwhile(settings):
    """So that nobody keeps a person out for longer than the lock."""
    user = person()
    for _ in range(3):
        sign_in(user.email, "wrong")
    past = timezone.now() - timedelta(seconds=settings.SIGN_IN_LOCK_SECONDS - 60)
    AccessAttempt.objects.update(attempt_time=past)
    assert sign_in(user.email, "wrong").status_code == 429
    assert AccessAttempt.objects.get().attempt_time == past
    AccessAttempt.objects.update(attempt_time=past - timedelta(seconds=61))
    assert sign_in(user.email).status_code == 302
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize(
    ("proxies", "written", "counted"),
    [
        (0, "203.0.113.9", "192.0.2.7"),
        (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.9, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (1, "198.51.100.1:4711", "198.51.100.1"),
        (1, "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::"),
        (1, "nonsense", "192.0.2.7"),
        (1, "", "192.0.2.7"),
    ],
)
def test_the_address_is_what_our_proxies_say(settings, proxies, written, counted):
    """A header that the client wrote is not believed; an IPv6 network counts as one."""
    settings.CELERIAC = {**settings.CELERIAC, "PROXIES": proxies}
    headers = {"HTTP_X_FORWARDED_FOR": written} if written else {}
    sign_in("nobody@example.com", "wrong", REMOTE_ADDR="192.0.2.7", **headers)
    assert AccessAttempt.objects.get().ip_address == counted
    assert Audit.objects.get().details["address"] == counted


def test_what_was_typed_as_a_name_that_nobody_has_is_not_written_down(caplog):
    """It may be a password."""
    with caplog.at_level(logging.DEBUG):
        sign_in("my-password-in-the-wrong-field", "wrong")
    assert "my-password" not in str(list(Audit.objects.values())) + caplog.text
    assert Audit.objects.get().details["account"] == "unknown"


def test_signing_in_and_out_is_written_down():
    """Who, and from where."""
    user, client = person(), Client()
    client.post(LOGIN, {"username": user.email, "password": "secret"})
    client.post("/admin/logout/")
    assert verbs() == ["sign_in.in", "sign_in.out"]
    assert set(Audit.objects.values_list("actor", "details__address")) == {(user.pk, "127.0.0.1")}


def test_an_administrator_unlocks_with_a_reason():
    """An account or an address; nobody without the permission."""
    user, boss = person(), person()
    boss.groups.add(Group.objects.get(name="admin"))
    for n in range(3):
        sign_in(user.email, "wrong", REMOTE_ADDR=f"192.0.2.{n}")
    page, row = "/admin/accounts/failedsignin/", AccessAttempt.objects.first()
    data = {"action": "unlock_account", "_selected_action": [row.pk],
            "confirmed": "yes", "reason": "she called"}  # fmt: skip
    client, eye = Client(), person()
    eye.groups.add(Group.objects.get(name="operator"))
    client.force_login(eye)
    assert client.post(page, data).status_code == 403
    client.force_login(boss)
    assert user.email in client.get(page).content.decode()
    client.post(page, data)
    entry = Audit.objects.get(verb="sign_in.unlock")
    assert (entry.actor, entry.reason, entry.target_id) == (boss, "she called", user.email)
    assert sign_in(user.email).status_code == 302


@pytest.mark.parametrize(
    "password", ["1", "short-pw", "password1234", "471147114711", "person-one"]
)
def test_weak_passwords_are_refused(password):
    """In the forms of the admin: too short, common, digits only, like the address."""
    client = Client()
    client.force_login(person(is_superuser=True))
    data = {"email": "person-one@example.com", "password1": password, "password2": password,
            "usable_password": "true", "reason": "new"}  # fmt: skip
    assert client.post("/admin/accounts/user/add/", data).status_code == 200
    assert not User.objects.filter(email="person-one@example.com").exists()


def signed_in(user):
    """Return a client whose session began just now."""
    client = Client()
    client.post(LOGIN, {"username": user.email, "password": "secret"})
    return client


def age(client, **stamps):
    """Make stamps of the session so many seconds older."""
    session = client.session
    for name, seconds in stamps.items():
        session[name] -= seconds
    session.save()


def test_a_session_ends_with_the_working_day_whatever_is_done_in_it(settings):
    """It was two weeks, and each use made it longer."""
    assert 8 * 3600 <= settings.SESSION_COOKIE_AGE <= 10 * 3600
    client = signed_in(person())
    age(client, signed_in_at=settings.SESSION_COOKIE_AGE - 60)
    assert client.get("/admin/password_change/").status_code == 200
    age(client, signed_in_at=60)
    assert client.get("/admin/password_change/").status_code == 302
    assert Audit.objects.latest("at").reason == "the working day of the session was over"


def test_an_idle_session_ends_though_its_page_asks_on(settings):
    """A person's own requests keep it; what a page asks by itself does not."""
    settings.SESSION_IDLE_SECONDS = 600
    client = signed_in(person())
    age(client, seen_at=500)
    assert client.get("/admin/password_change/").status_code == 200
    age(client, seen_at=500)
    asks = {"Sec-Fetch-Mode": "cors"}
    assert client.get("/admin/dashboard/data/", headers=asks).status_code == 403  # not the login
    age(client, seen_at=120)
    assert client.get("/admin/password_change/").status_code == 302
    assert Audit.objects.latest("at").reason == "nobody used the session"


def test_the_password_rules_hold_for_commands_too():
    """`createsuperuser` and `changepassword` ask the same validators."""
    from django.contrib.auth.password_validation import validate_password

    with pytest.raises(ValidationError):
        validate_password("1")


def test_guesses_of_ones_own_old_password_are_failed_sign_ins():
    """Whoever found a screen unlocked may not guess for ever, and what she typed is not kept."""
    user = person()
    client = Client()
    client.force_login(user)
    form = {"new_password1": "a-new-passphrase-4711", "new_password2": "a-new-passphrase-4711",
            "reason": "why not"}  # fmt: skip
    guesses = [client.post(CHANGE, form | {"old_password": f"guess-{n}"}) for n in range(3)]
    assert [answer.status_code for answer in guesses] == [200, 200, 429]
    assert client.post(CHANGE, form | {"old_password": RIGHT}).status_code == 429
    user.refresh_from_db()
    assert user.check_password(RIGHT)
    assert verbs() == ["sign_in.failed"] * 3 + ["sign_in.locked"]
    kept = str(list(AccessAttempt.objects.values()))
    assert not {word for word in ("guess", "4711", "why not") if word in kept}
    AccessAttempt.objects.all().delete()
    assert client.post(CHANGE, form | {"old_password": RIGHT}).status_code == 302


def test_a_right_password_of_somebody_who_may_not_enter_is_a_failure():
    """It left no trace, and was told from a wrong one by never being stopped."""
    user = UserFactory(is_staff=False)
    codes = [sign_in(user.email, REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(4)]
    assert codes == [200, 200, 429, 429]
    assert verbs() == ["sign_in.failed"] * 3 + ["sign_in.locked"]
