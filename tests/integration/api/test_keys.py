"""Tokens and links outlive a change of the keys that sign them, and no longer."""

import pytest

from apps.notifications.errors import InvalidToken
from apps.notifications.unsubscribe import address_of, token_for
from celeriac.http.authentication import AccountToken
from tests.integration.api.conftest import Caller, make_account
from tests.support.conf import configure

pytestmark = pytest.mark.django_db

OLD, NEW, NEWEST = ("k" * 50, "n" * 50, "m" * 50)


def works(account, token):
    """Return whether the API takes the token."""
    return Caller(account, token).get("kinds/").status_code == 200


def leaves(link):
    """Return whether the unsubscribe link's token is believed."""
    try:
        return address_of(link) == "ada@mail.example"
    except InvalidToken:
        return False


def test_without_a_key_of_their_own_they_follow_the_secret_key(settings):
    """As before; and the rotation of that one is SECRET_KEY_FALLBACKS, from the environment."""
    account = make_account()
    token, link = str(AccountToken.of(account)), token_for("ada@mail.example")
    assert (works(account, token), leaves(link)) == (True, True)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], NEW
    assert (works(account, token), leaves(link)) == (True, True)
    settings.SECRET_KEY_FALLBACKS = []
    assert (works(account, token), leaves(link)) == (False, False)


def test_a_signing_key_comes_in_is_rotated_and_goes(settings):
    """No link in a mail dies before its key is taken out of the fallbacks."""
    account = make_account()
    token, link = str(AccountToken.of(account)), token_for("ada@mail.example")
    configure(settings, SIGNING_KEY=OLD, SIGNING_KEY_FALLBACKS=[settings.SECRET_KEY])
    assert (works(account, token), leaves(link)) == (True, True)
    newer = token_for("ada@mail.example"), str(AccountToken.of(account))
    settings.SECRET_KEY = NEWEST  # it can be changed now without a thought for them
    assert (works(account, newer[1]), leaves(newer[0])) == (True, True)
    configure(settings, SIGNING_KEY=NEW, SIGNING_KEY_FALLBACKS=[OLD])
    assert (works(account, newer[1]), leaves(newer[0])) == (True, True)
    assert (works(account, token), leaves(link)) == (False, False)
    settings.CELERIAC = {**settings.CELERIAC, "SIGNING_KEY_FALLBACKS": []}
    assert (works(account, newer[1]), leaves(newer[0])) == (False, False)


def test_the_secret_key_opens_no_door_once_there_is_a_signing_key(settings):
    """Sessions and tokens are two things."""
    account = make_account()
    token = str(AccountToken.of(account))
    settings.CELERIAC = {**settings.CELERIAC, "SIGNING_KEY": NEW}
    assert not works(account, token)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(scheme):
    """RFC 9110: schemes have no case."""
    account = make_account()
    caller = Caller(account)
    caller.headers = {"authorization": f"{scheme} {AccountToken.of(account)}"}
    assert caller.get("kinds/").status_code == 200
    caller.headers = {"authorization": f"Token {AccountToken.of(account)}"}
    assert caller.get("kinds/").status_code == 401
