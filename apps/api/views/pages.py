"""The schema, its pages, and what is nowhere."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from apps.api import problems


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, as JSON unless YAML is asked for; open to everyone."""

    http_method_names = ["get", "head"]
    authentication_classes = []
    permission_classes = []
    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer]


class DocsView(SpectacularSwaggerSplitView):
    """The document for people, from our own static files, without an inline script."""

    http_method_names = ["get", "head"]
    authentication_classes = []
    permission_classes = []
    url_name = "api:schema"


@csrf_exempt
def nowhere(request: HttpRequest, path: str = "", **_: Any) -> HttpResponseBase:  # noqa: ANN401 the URL's
    """Answer 404, also where only the last slash is missing: a redirect would lose the body."""
    hint = " Did you mean the same with a slash at the end?" if not path.endswith("/") else ""
    content = problems.body(404, detail=f"There is nothing here.{hint}", name="not-found")
    return JsonResponse(content, status=404, content_type=problems.MEDIA_TYPE)
