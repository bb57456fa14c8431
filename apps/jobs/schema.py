"""A handler's signature as the schema of its arguments. Pure: no Django."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from apps.jobs.errors import InvalidArgs, field_errors


class Schema:
    """Validates arguments at the door and restores their types before a run."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model

    @classmethod
    def of(cls, handler: Callable[..., Any]) -> "Schema":
        """Read the schema from the signature of `handler`."""
        hints = get_type_hints(handler, include_extras=True)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(handler).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"{handler.__qualname__}: a job takes named arguments, not {name}.")
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[name] = (hints.get(name, Any), default)
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, allow_inf_nan=False)
        return cls(create_model(handler.__qualname__, __config__=config, **fields))

    def dump(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return `args` validated, as JSON values; InvalidArgs names each bad field."""
        try:
            value = self.model.model_validate(dict(args))
            text = value.model_dump_json(exclude_unset=True)
        except ValidationError as error:
            problems = _problems(error)
            raise InvalidArgs(field_errors(problems), errors=problems) from error
        dumped: dict[str, Any] = json.loads(text)
        return dumped

    def load(self, args: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of the handler, types restored from JSON."""
        value = self.model.model_validate_json(args if isinstance(args, str) else json.dumps(args))
        return {name: getattr(value, name) for name in value.model_fields_set}

    def json_schema(self) -> dict[str, Any]:
        """Return the arguments' JSON Schema."""
        return self.model.model_json_schema()


def _problems(error: ValidationError) -> dict[str, str]:
    return {
        ".".join(str(part) for part in problem["loc"]) or "args": problem["msg"]
        for problem in error.errors(include_url=False)
    }
