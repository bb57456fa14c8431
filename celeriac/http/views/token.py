"""A secret becomes a token."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from celeriac.http import services
from celeriac.http.authentication import AccountToken
from celeriac.http.bodies import Credentials
from celeriac.http.schema import documented_answers
from celeriac.http.shapes import TokenDetails
from celeriac.http.views.base import ApiView


class TokenView(ApiView):
    """The only call without a token."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        operation_id="token_create",
        summary="Get a token",
        request={"application/json": Credentials},
        responses=documented_answers(TokenDetails, 200, 400, 401, 411, 413, 415, 422),
        tags=["token"],
    )
    def post(self, request: Request) -> Response:
        """Return a token for an account's name and secret; get a new one before it expires."""
        given = self.body(request, Credentials)
        account = services.authenticate(
            client_id=given.client_id, client_secret=given.client_secret
        )
        if account is None:
            raise AuthenticationFailed("No active account has this name and secret.")
        request._request.api_account = account  # type: ignore[attr-defined] # for the log line
        token = AccountToken.of(account)
        content = {
            "access": str(token),
            "token_type": "Bearer",
            "expires_in": round(token.lifetime.total_seconds()),
        }
        return Response(content, headers={"Cache-Control": "no-store"})

    def get_authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return 'Bearer realm="api"'
