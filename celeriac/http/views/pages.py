"""The schema, its pages, and what is nowhere."""

from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from celeriac.http import problems
from celeriac.http.throttling import PublicThrottle
from celeriac.settings import conf


@cache
def document() -> Any:
    """Return the OpenAPI document: made once, the same for everyone."""
    return SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # its types


class SchemaView(APIView):
    """The document as JSON unless YAML is asked for; open to everyone."""

    http_method_names = ["get", "head"]
    authentication_classes = []
    permission_classes = []
    throttle_classes = [PublicThrottle]
    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Return it."""
        return Response(document())


class DocsView(SpectacularSwaggerSplitView):
    """The document for people, from our own static files, without an inline script."""

    http_method_names = ["get", "head"]
    authentication_classes = []
    permission_classes = []
    throttle_classes = [PublicThrottle]
    url_name = "api:schema"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Be nowhere unless the setting opens it."""
        if not conf.API_DOCS:
            raise Http404
        super().initial(request, *args, **kwargs)


@csrf_exempt
def nowhere(request: HttpRequest, path: str = "", **_: Any) -> HttpResponseBase:
    """Answer 404, also where only the last slash is missing: a redirect would lose the body."""
    hint = " Did you mean the same with a slash at the end?" if not path.endswith("/") else ""
    content = problems.problem_body(404, detail=f"There is nothing here.{hint}", name="not-found")
    return JsonResponse(content, status=404, content_type=problems.MEDIA_TYPE)
