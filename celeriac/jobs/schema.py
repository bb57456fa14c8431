"""A handler's signature as the schema of its arguments. Pure: no Django.

The arguments are a typed dictionary to pydantic, compiled once when the kind is
declared. A default is not stored with the job: what the caller left out is
filled by the handler's signature on the day it runs.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn, NotRequired, TypedDict, Union, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from celeriac.core.hints import did_you_mean
from celeriac.jobs import jsonable
from celeriac.jobs.errors import InvalidArgs, field_errors

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=False, allow_inf_nan=False)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Dumped:
    """Validated arguments: as JSON values, and as the text that is stored."""

    values: dict[str, Any]
    text: str
    #: The whole call where the row does not hold it: it goes to a table beside.
    apart: str | None = None


class Schema:
    """Validates arguments when a job is enqueued and restores their types before a run."""

    __slots__ = ("_adapter", "_hints", "_restore", "defaults", "fields", "name")

    def __init__(self, name: str, hints: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self.name = name
        self.defaults = dict(defaults)
        self._hints = dict(hints)
        self.fields = tuple(hints)
        types = {name: NotRequired[h] if name in defaults else h for name, h in hints.items()}
        typed = TypedDict(name, types)  # type: ignore[misc]  # known at run time only
        typed.__pydantic_config__ = _CONFIG  # type: ignore[attr-defined]  # pydantic's own hook
        self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(cast(Any, typed))
        #: The adapter's own validate_json, without its options: every run passes here.
        self._restore: Callable[[str], dict[str, Any]] = self._adapter.validator.validate_json

    #: Of stored arguments, those that repeat the others for the machine alone.
    hidden: frozenset[str] = frozenset()

    @classmethod
    def of(cls, handler: Callable[..., Any]) -> "Schema":
        """Read the schema from the signature of `handler`."""
        hints = _hints(handler)
        fields: dict[str, Any] = {}
        defaults: dict[str, Any] = {}
        for name, parameter in inspect.signature(handler).parameters.items():
            if parameter.kind not in _NAMED:
                raise TypeError(f"{handler.__qualname__}: a job takes named arguments, not {name}.")
            hint = jsonable.strict(hints.get(name, Any))
            # A default of None says that None may be given, whatever the annotation says.
            fields[name] = Union[hint, None] if parameter.default is None else hint  # noqa: UP007 at run time
            if parameter.default is not parameter.empty:
                defaults[name] = parameter.default
        return cls(handler.__qualname__, fields, defaults)

    def without(self, names: Iterable[str]) -> "Schema":
        """Return the schema of what is given before the arguments of these names are known.

        Raises:
            InvalidArgs: the handler takes no argument of such a name.
        """
        if unknown := set(names) - set(self.fields):
            problems = dict.fromkeys(unknown, "is unknown")
            raise InvalidArgs(field_errors(problems), errors=problems)
        hints = {name: hint for name, hint in self._hints.items() if name not in names}
        return Schema(self.name, hints, self.defaults)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that a lock or unique template may use."""
        return self.fields

    def named(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return validated values by the names that templates use."""
        return values

    def check(self, args: Mapping[str, Any]) -> Dumped:
        """Return `args` validated; InvalidArgs names each bad field and what is wrong with it."""
        try:
            value = self._adapter.validate_python(args if type(args) is dict else _mapping(args))
            text = self._adapter.dump_json(value).decode()
            values: dict[str, Any] = json.loads(text)
            back = self._adapter.validate_json(jsonable.stored(text))
            if not jsonable.is_same(value, back):
                self._refuse_altered(value, back)
        except ValidationError as error:
            self._refuse(error)
        except (PydanticSerializationError, UnicodeError, ValueError) as error:
            problems = jsonable.problems_in(args) or {"args": f"do not fit in JSON: {error}"}
            raise InvalidArgs(field_errors(problems), errors=problems) from error
        if problems := jsonable.stored_problems(values, text):
            raise InvalidArgs(field_errors(problems), errors=problems)
        return Dumped(values, text)

    def dump(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return `args` validated, as JSON values; InvalidArgs names each bad field."""
        return self.check(args).values

    def load(self, args: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of the handler, types restored from JSON."""
        text = args if isinstance(args, str) else json.dumps(args)
        try:
            return self._restore(text)
        except ValidationError as error:
            self._refuse(error)

    def json_schema(self) -> dict[str, Any]:
        """Return the arguments' JSON Schema, defaults included where JSON has them."""
        schema = self._adapter.json_schema()
        for name, default in self.defaults.items():
            if default is None or isinstance(default, str | int | float | bool):
                schema["properties"][name]["default"] = default
        return schema

    def _refuse(self, error: ValidationError) -> NoReturn:
        problems = {
            ".".join(str(part) for part in problem["loc"][:8]) or "args": self._explain(problem)
            for problem in error.errors(include_url=False)
        }
        raise InvalidArgs(field_errors(problems), errors=problems) from error

    def _explain(self, problem: Any) -> str:
        match problem["type"]:
            case "missing":
                return "is missing"
            case "extra_forbidden" if len(problem["loc"]) == 1:
                return self._unknown(str(problem["loc"][0]))
            case "invalid-json-value":
                return f"is no JSON value ({type(problem['input']).__name__}); pass plain data"
            case "recursion_depth_exceeded":
                return jsonable.TOO_DEEP
            case "dict_type":
                return "must be a mapping of the handler's keyword arguments"
            case _:
                return str(problem["msg"]).removeprefix("Value error, ")

    def _unknown(self, name: str) -> str:
        otherwise = f"; {self.name} takes {', '.join(self.fields) or 'no arguments'}"
        return f"is unknown{did_you_mean(name, self.fields, otherwise, lead='; did')}"

    def _refuse_altered(self, value: Mapping[str, Any], back: Mapping[str, Any]) -> NoReturn:
        problems = {
            name: f"would not come back from JSON as it went in: {item!r:.80} would be "
            f"{back.get(name)!r:.80}; pass plain data, or narrow the handler's type"
            for name, item in value.items()
            if not jsonable.is_same(item, back.get(name))
        }
        raise InvalidArgs(field_errors(problems), errors=problems)


def _hints(handler: Callable[..., Any]) -> dict[str, Any]:
    """Return the hints of the parameters; nobody looks at that of the result.

    TypeError names an annotation that can't be read.
    """
    try:
        return get_type_hints(handler, include_extras=True)
    except NameError:
        pass
    found: dict[str, Any] = {}
    function = inspect.unwrap(handler)
    for name, hint in inspect.get_annotations(function).items():
        if name == "return":
            continue
        try:
            alone = SimpleNamespace(__annotations__={name: hint})
            found |= get_type_hints(alone, function.__globals__, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"{handler.__qualname__}: the annotation of {name} ({hint!r}) can't be read: "
                f"{error}. Import what it names at run time, too, not under TYPE_CHECKING alone."
            ) from error
    return found


def _mapping(args: object) -> dict[str, Any]:
    if isinstance(args, Mapping):
        return dict(args)
    problems = {"args": "must be a mapping of the handler's keyword arguments"}
    raise InvalidArgs(field_errors(problems), errors=problems)
