"""Bearer tokens: short-lived, of one account and one generation of it."""

from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    AuthenticationFailed,
    InvalidToken,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.tokens import Token

from celeriac.core.keys import signing_keys
from celeriac.http.models import ServiceAccount
from celeriac.settings import conf

_AGAIN = "get a new one at /api/v1/token/"


class Keys(TokenBackend):
    """Signs with the first key and believes all of them, so that a key can be replaced."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__("HS256", keys[0])
        self._before = [TokenBackend("HS256", key) for key in keys[1:]]

    def decode(self, token: Token, verify: bool = True) -> dict[str, Any]:
        """Return what a token says, whichever key signed it; raises TokenBackendError."""
        try:
            return super().decode(token, verify)
        except TokenBackendExpiredToken:
            raise
        except TokenBackendError:
            for backend in self._before:
                with suppress(TokenBackendError):
                    return backend.decode(token, verify)
            raise


@cache
def _backend(keys: tuple[str, ...]) -> Keys:
    return Keys(keys)


class AccountToken(Token):
    """What a service account shows at each call."""

    token_type = "access"  # noqa: S105 the name of a type
    lifetime = timedelta(seconds=conf.API_TOKEN_SECONDS)

    @property
    def token_backend(self) -> TokenBackend:
        """Return what signs and verifies, with the keys as the settings have them now."""
        return _backend(signing_keys())

    @classmethod
    def of(cls, account: ServiceAccount) -> "AccountToken":
        """Return a new token of the account."""
        token = cls()
        token["sub"] = str(account.id)
        token["gen"] = account.generation
        return token


class BearerAuthentication(JWTAuthentication):
    """Finds the account of a token; whatever was revoked meanwhile is refused."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        """Return the account and its token; None where no token was sent."""
        found: tuple[Any, Token] | None = super().authenticate(request)
        if found is not None:
            request._request.api_account = found[0]  # type: ignore[attr-defined] # for the log line
        return found

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token of a header whose scheme is `bearer` in any case (RFC 9110)."""
        scheme, blank, rest = header.partition(b" ")
        return super().get_raw_token(scheme.lower().capitalize() + blank + rest)

    def get_validated_token(self, raw_token: bytes) -> Token:
        """Return the account's token; raises InvalidToken."""
        try:
            return AccountToken(raw_token)  # type: ignore[arg-type]  # bytes, as simplejwt passes them
        except TokenError as error:
            raise InvalidToken(str(error)) from error

    def get_user(self, validated_token: Token) -> Any:
        """Return the account with its grants, in two queries."""
        accounts = ServiceAccount.objects.prefetch_related("grants")
        account = accounts.filter(pk=_subject(validated_token), is_active=True).first()
        if account is None:
            raise AuthenticationFailed("The account is switched off or gone.")
        if validated_token.get("gen") != account.generation:
            raise AuthenticationFailed(f"The token was revoked: {_AGAIN}.")
        return account


def _subject(token: Token) -> UUID:
    try:
        return UUID(str(token.get("sub")))
    except ValueError as error:
        raise AuthenticationFailed("The token names no account.") from error
