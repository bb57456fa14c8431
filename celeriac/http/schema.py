"""What the OpenAPI document says of every call."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from pydantic import BaseModel

from celeriac.http.problems import MEDIA_TYPE
from celeriac.http.shapes import ProblemDetails
from celeriac.jobs.states import State

#: What any call may answer besides its own.
_ALWAYS = (405, 406, 429, 500, 503)
_SAID = {
    200: "Done before, or done.",
    201: "Written.",
    304: "Not changed since.",
    400: "The body can't be read as JSON.",
    401: "No token, or one that is invalid, expired or revoked.",
    403: "No grant covers it.",
    404: "There is no such job, or it is somebody else's.",
    405: "Another method is meant.",
    406: "Only JSON is answered.",
    409: "The key was used for another body, the state forbids it, or (with Retry-After) "
    "another transaction holds the key.",
    411: "The body came without its length.",
    412: "The job has changed.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A field does not fit; `errors` names it.",
    429: "Too many calls; Retry-After says when to come back.",
    500: "It failed; the log has it under X-Correlation-ID.",
    503: "The database is away; Retry-After says when to come back.",
}
_BARE = (304,)

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,200}$", "minLength": 1, "maxLength": 200},
    OpenApiParameter.HEADER,
    description="The same key and body again answer 200 with what the first call made; the "
    "same key with another body answers 409.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of an earlier answer: 304 while the job has not changed.",
)
REPLAYED = (
    OpenApiParameter(
        "Idempotent-Replayed",
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        description="The key was used before: this is what it made then.",
        response=[200],
    ),
)
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\x00]*$"}
JOB_QUERY = [
    OpenApiParameter("state", {"type": "string", "enum": list(State)}),
    OpenApiParameter("kind", _TEXT),
    OpenApiParameter("queue", _TEXT),
    OpenApiParameter("created_after", {"type": "string", "format": "date-time"}),
    OpenApiParameter(
        "cursor", {"type": "string", "format": "uuid"}, description="As `next` has it."
    ),
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
]


def documented_answers(shape: type[BaseModel], *statuses: int) -> dict[Any, Any]:
    """Return the documented answers of a call: the shape where it succeeds, else a problem."""
    found: dict[Any, Any] = {}
    for status in (*statuses, *_ALWAYS):
        said = _SAID[status]
        if status in _BARE:
            found[status] = OpenApiResponse(description=said)
        elif status < 300:
            found[status, "application/json"] = OpenApiResponse(shape, description=said)
        else:
            found[status, MEDIA_TYPE] = OpenApiResponse(ProblemDetails, description=said)
    return found


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its hook
    """How tokens are shown."""

    target_class = "celeriac.http.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
