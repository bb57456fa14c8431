"""Bearer tokens: short-lived, of one account and one generation of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.tokens import Token

from apps.api.models import ServiceAccount

_AGAIN = "get a new one at /api/v1/token/"


class AccountToken(Token):
    """What a service account shows at each call."""

    token_type = "access"  # noqa: S105 the name of a type
    lifetime = timedelta(seconds=settings.API_TOKEN_SECONDS)

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

    def get_user(self, validated_token: Token) -> Any:  # noqa: ANN401 simplejwt expects a user
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
