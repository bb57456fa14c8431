"""What callers send: bodies and queries, read strictly. pydantic, because bulk has thousands."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from celeriac.core.hints import did_you_mean
from celeriac.http.problems import MOST_ERRORS, Problem
from celeriac.jobs.enqueueing.templates import MAX_KEY
from celeriac.jobs.states import State
from celeriac.settings import conf

#: So many unknown members are named one by one.
_CROWD = 20
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


def _moment(value: object) -> datetime:
    """Return it without its offset: RFC 3339 has 23:59, PostgreSQL less than 16:00."""
    moment = _any_moment(value)
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return moment.astimezone(UTC)


def _any_moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a moment as text, such as 2030-01-31T12:00:00Z")
    if not _RFC3339.fullmatch(value):
        raise ValueError("must be a moment with its zone, such as 2030-01-31T12:00:00Z (RFC 3339)")
    return datetime.fromisoformat(value.upper())


def _bound(value: object) -> datetime:
    """Return a moment that the database can compare with: none of ours lies beyond."""
    moment = _any_moment(value)
    if _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return moment.astimezone(UTC)
    return datetime(_FIRST_YEAR if moment.year < _FIRST_YEAR else _LAST_YEAR, 1, 1, tzinfo=UTC)


def _whole(value: object) -> object:
    """Return 95 for 95.0: JSON knows no difference."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_DATE_TIME = WithJsonSchema({"type": "string", "format": "date-time"})
Moment = Annotated[datetime, BeforeValidator(_moment), _DATE_TIME]
Bound = Annotated[datetime, BeforeValidator(_bound), _DATE_TIME]
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Key = Annotated[StrictStr, Field(min_length=1, max_length=MAX_KEY, pattern=_NO_NUL)]


class Body(BaseModel):
    """What a caller sends; unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_crowds(cls, value: Any) -> Any:
        """Refuse at once what would only be refused a million times, member by member."""
        if isinstance(value, dict) and len(value) > len(cls.model_fields) + _CROWD:
            raise ValueError(f"has {len(value):,} members; {len(cls.model_fields)} are known")
        return value


class Credentials(Body):
    """An account's name and secret."""

    client_id: Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=_NO_NUL)]
    client_secret: Name


class JobCall(Body):
    """A job to be."""

    kind: Name = Field(description="What shall run: one of GET /api/v1/kinds/.")
    args: dict[str, Any] = Field(
        default_factory=dict, description="The kind's arguments, as its JSON Schema says."
    )
    queue: Name | None = Field(default=None, description="Instead of the kind's own.")
    priority: Annotated[StrictInt, Field(ge=-100, le=100), BeforeValidator(_whole)] | None = Field(
        default=None, description="Higher runs first; instead of the kind's own."
    )
    run_at: Moment | None = Field(default=None, description="Not before then.")
    expires_at: Moment | None = Field(
        default=None, description="Cancelled if it has not started by then."
    )
    unique_key: Key | None = Field(
        default=None, description="No second job of this kind and key waits: the first answers."
    )
    lock_key: Name | None = Field(
        default=None, description="No two of the account's jobs with this lock run at once."
    )
    callback_url: Annotated[StrictStr, Field(max_length=2000, pattern=_NO_NUL)] | None = Field(
        default=None, description="Gets a signed POST when the job has ended."
    )


class BulkCall(Body):
    """Jobs to be: all of them, or none."""

    jobs: Annotated[list[JobCall], Field(min_length=1, max_length=conf.API_MAX_BULK_JOBS)]


class VerbCall(Body):
    """Why."""

    reason: Annotated[StrictStr, Field(max_length=500, pattern=_NO_NUL)] = Field(
        default="", description="For the audit trail."
    )


if TYPE_CHECKING:
    StateText = str
else:
    StateText = Literal[tuple(state.value for state in State)]


class JobQuery(Body):
    """Which jobs to list."""

    state: StateText | None = None
    kind: Name | None = None
    queue: Name | None = None
    created_after: Bound | None = None
    cursor: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class NoQuery(Body):
    """Nothing."""


def read_body[Model: BaseModel](model: type[Model], value: object) -> Model:
    """Return the value as the model, or a Problem that names each field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_body(model, error) from error


def read_query[Model: BaseModel](model: type[Model], query: Any) -> Model:
    """Return a query string as the model; a parameter that comes twice is refused."""
    twice = {name: "is given twice" for name, values in query.lists() if len(values) > 1}
    if twice:
        raise Problem("A parameter is given twice.", errors=twice)
    return read_body(model, query.dict())


def invalid_body(model: type[BaseModel], error: ValidationError) -> Problem:
    """Return the refusal, each field by its path: `jobs.7777.priority`."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    errors = {
        ".".join(str(part) for part in problem["loc"])[:200] or "body": _said(model, problem)
        for problem in found[:MOST_ERRORS]
    }
    first = "; ".join(f"{field}: {text}" for field, text in list(errors.items())[:3])
    return Problem(first if len(errors) <= 3 else f"{first}; …", errors=errors)


def _said(model: type[BaseModel], problem: Any) -> str:
    match problem["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            owner = JobCall if len(problem["loc"]) > 1 else model
            hint = did_you_mean(problem["loc"][-1], owner.model_fields, lead="; did")
            return f"is unknown{hint}"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")
