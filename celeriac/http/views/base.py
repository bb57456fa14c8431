"""What every view of the API shares."""

from typing import Any, cast

from drf_spectacular.openapi import AutoSchema
from pydantic import BaseModel
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from celeriac.http import bodies, problems
from celeriac.http.authentication import BearerAuthentication
from celeriac.http.models import ServiceAccount
from celeriac.http.parsing import StrictJSONParser
from celeriac.http.problems import Problem
from celeriac.http.throttling import Throttle
from celeriac.settings import conf


class ApiView(APIView):
    """A view for service accounts; queries that say nothing to it are refused.

    Who may call, how often and in what form is its own, whatever a project's REST_FRAMEWORK says
    for the views of its own.
    """

    authentication_classes = [BearerAuthentication]
    permission_classes = [IsAuthenticated]
    throttle_classes = [Throttle]
    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    metadata_class = None
    schema = AutoSchema()
    http_method_names = ["get", "post", "head"]
    #: The largest body it takes, in bytes.
    max_body: int = conf.API_MAX_BODY_BYTES

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the token, the rate and the query."""
        super().initial(request, *args, **kwargs)
        if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
            raise Problem(
                "Send the body with a Content-Length.", name="length-required", status=411
            )
        if request.method == "POST":
            bodies.read_query(bodies.NoQuery, request.query_params)

    def get_exception_handler(self) -> Any:
        """Return what makes a problem of an error."""
        return problems.handle_error

    def account(self, request: Request) -> ServiceAccount:
        """Return who calls."""
        return cast(ServiceAccount, request.user)

    def body[Model: BaseModel](self, request: Request, model: type[Model]) -> Model:
        """Return the body as the model; a Problem names what does not fit."""
        return bodies.read_body(model, request.data)

    def query[Model: BaseModel](self, request: Request, model: type[Model]) -> Model:
        """Return the query as the model; a Problem names what does not fit."""
        return bodies.read_query(model, request.query_params)
