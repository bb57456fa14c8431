"""Every refusal as `application/problem+json` (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import OperationalError
from django.http import Http404, JsonResponse, UnreadablePostError
from rest_framework.exceptions import APIException, AuthenticationFailed, Throttled
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from celeriac.core.database_errors import is_away
from celeriac.core.errorpages import LATER, drop_connection
from celeriac.jobs import errors as jobs

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Seconds after which a caller may try again: what is busy soon, what is away later.
SOON = 1
#: What one answer tells of many faults: so many fields, so many characters.
MOST_ERRORS, MOST_DETAIL = 100, 2_000

#: What the ledger's refusals are to a caller: a status and a name.
_JOB_ERRORS: dict[type[jobs.JobError], tuple[int, str]] = {
    jobs.UnknownKind: (422, "unknown-kind"),
    jobs.UnknownQueue: (422, "unknown-queue"),
    jobs.InvalidArgs: (422, "invalid-args"),
    jobs.InvalidOption: (422, "invalid-option"),
    jobs.JobNotFound: (404, "not-found"),
    jobs.IdempotencyConflict: (409, "idempotency-conflict"),
    jobs.EnqueueBusy: (409, "busy"),
    jobs.Superseded: (409, "superseded"),
    jobs.TransitionRefused: (409, "state-forbids"),
}


class Problem(APIException):
    """A refusal with a name; `errors` says by field what is wrong."""

    status_code = 422
    name = "invalid"

    def __init__(
        self,
        detail: str,
        *,
        name: str = "",
        status: int | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.name = name or self.name
        self.status_code = status or self.status_code
        self.errors = dict(errors or {})


class Malformed(Problem):
    """The body can't be read."""

    status_code = 400
    name = "malformed"


class TooLarge(Problem):
    """The body is larger than this call allows."""

    status_code = 413
    name = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit:,} bytes, which is what this call takes.")


class Forbidden(Problem):
    """No grant of the account covers it."""

    status_code = 403
    name = "forbidden"


class UniqueKeyHeld(Problem):
    """A queued job that is not the account's holds the unique key."""

    status_code = 409
    name = "unique-key-held"


class ProblemResponse(Response):
    """JSON, also where the call itself would have answered with a page or with YAML."""

    @property
    def rendered_content(self) -> str:
        """Return the problem's text."""
        self["Content-Type"] = MEDIA_TYPE
        text: bytes = JSONRenderer().render(self.data)
        return text.decode()


def problem_body(
    status: int, *, detail: str = "", name: str = "", errors: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a problem's members."""
    phrase = HTTPStatus(status).phrase
    found: dict[str, Any] = {
        "type": f"urn:celeriac:problem:{name}" if name else "about:blank",
        "title": name.replace("-", " ").capitalize() if name else phrase,
        "status": status,
        "detail": detail or phrase,
    }
    if errors:
        found["errors"] = dict(errors)
    return found


def plain_problem(status: int, detail: str = "") -> JsonResponse:
    """Return a problem outside of REST framework."""
    return JsonResponse(problem_body(status, detail=detail), status=status, content_type=MEDIA_TYPE)


def handle_error(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to an error in a view: REST framework's exception handler."""
    match error:
        case jobs.JobError():
            return _job_error(error)
        case Problem():
            return _answer(
                error.status_code, str(error.detail), name=error.name, errors=error.errors
            )
        case APIException():
            return _framework_error(error)
        case Http404():
            return _answer(404, "There is nothing here.", name="not-found")
        case PermissionDenied():
            return _answer(403, str(error), name="forbidden")
        case UnreadablePostError() | BadRequest() | SuspiciousOperation():
            return _answer(400, "The request could not be read.", name="malformed")
    if is_away(error):
        drop_connection(error)
        detail = "The database can't be reached: try again, with the same Idempotency-Key."
        return _answer(503, detail, name="unavailable", retry_after=LATER)
    if isinstance(error, OperationalError):  # a lock, a deadlock, a statement's time
        logger.warning("the database was too busy: %s", str(error).partition("\n")[0])
        detail = "The database was too busy: try again, with the same Idempotency-Key."
        return _answer(503, detail, name="busy", retry_after=SOON)
    return _failure(error, context)


def _job_error(error: jobs.JobError) -> Response:
    status, name = next(
        (found for kind, found in _JOB_ERRORS.items() if isinstance(error, kind)), (500, "")
    )
    found = islice(getattr(error, "errors", {}).items(), MOST_ERRORS)
    errors = {args_field(field): text for field, text in found}
    wait = SOON if isinstance(error, jobs.EnqueueBusy) else None
    detail = error.message[:MOST_DETAIL]
    return _answer(status, detail, name=name, errors=errors, retry_after=wait)


def args_field(field: str) -> str:
    """Return a field of a job's arguments by its place in the body."""
    return field if field == "args" else f"args.{field}"


def _framework_error(error: APIException) -> Response:
    detail = error.detail
    text = detail if isinstance(detail, str) else "The token is invalid or has expired."
    wait = None
    if isinstance(error, Throttled):
        wait = max(1, round(getattr(error, "wait", None) or 1))
        text = f"Too many calls: try again in {wait} s."
    answer = _answer(
        error.status_code, str(text), name=_NAMES.get(error.status_code, ""), retry_after=wait
    )
    if scheme := getattr(error, "auth_header", None):
        failed = ', error="invalid_token"' if isinstance(error, AuthenticationFailed) else ""
        answer["WWW-Authenticate"] = f"{scheme}{failed}"
    return answer


_NAMES = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    415: "unsupported-media-type",
    429: "throttled",
}


def _failure(error: Exception, context: Mapping[str, Any]) -> Response:
    """Say no more than that it failed; the log says what."""
    logger.error("a call failed", exc_info=error)
    request = getattr(context.get("request"), "_request", None)
    got_request_exception.send(sender=None, request=request)
    detail = "The call failed. The log has it, under the X-Correlation-ID of this answer."
    return _answer(500, detail, name="internal")


def _answer(
    status: int,
    detail: str,
    *,
    name: str = "",
    errors: Mapping[str, str] | None = None,
    retry_after: int | None = None,
) -> Response:
    content = problem_body(status, detail=detail, name=name, errors=errors)
    answer = ProblemResponse(content, status=status)
    if retry_after is not None:
        answer["Retry-After"] = str(retry_after)
    return answer
