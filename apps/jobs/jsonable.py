"""What may stand in a job's arguments: JSON that comes back as it went in. Pure: no Django.

PostgreSQL's jsonb takes no NUL and no lone surrogate, and keeps no NaN; numbers
beyond 64 bits and deep nesting are where JSON's readers begin to differ.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, JsonValue, WrapSerializer

MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1
TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"

_LONG_NUMBER = re.compile(r"\d{19}")
#: Core schema types whose values JSON carries faithfully, and those that only hold others.
_FAITHFUL = frozenset(
    {"typed-dict", "typed-dict-field", "definitions", "definition-ref", "nullable", "union"}
    | {"tagged-union", "json-or-python", "list", "set", "frozenset", "dict", "literal", "enum"}
    | {"str", "int", "float", "bool", "none", "date", "datetime", "time", "decimal", "uuid"}
)


def _finite(value: Any) -> Any:  # noqa: ANN401 any JSON value
    try:
        finite = all(math.isfinite(item) for _, item in _walk("", value) if type(item) is float)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not finite:
        raise ValueError("NaN and Infinity are not JSON")
    return value


def _in_order(value: Any, handler: Callable[[Any], Any]) -> Any:  # noqa: ANN401 pydantic's protocol
    # A set's order changes from process to process; equal arguments must read equal.
    return sorted(handler(value), key=repr)


#: Any JSON value; an object, a set or a tuple would come back as something else.
Json = Annotated[JsonValue, AfterValidator(_finite)]

_BARE: dict[Any, Any] = {
    Any: Json,
    object: Json,
    JsonValue: Json,
    dict: dict[str, Json],
    list: list[Json],
}


def strict(hint: Any) -> Any:  # noqa: ANN401 a type hint
    """Return `hint` with every open place in it closed to JSON values."""
    if hint in (set, frozenset):
        return Annotated[hint, WrapSerializer(_in_order)]
    if isinstance(hint, type) and hint in _BARE:
        return _BARE[hint]
    if hint in (Any, JsonValue):
        return Json
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(strict(parts[0]), *parts[1:])]
    if origin in (Union, UnionType):
        return Union[tuple(strict(part) for part in parts)]  # noqa: UP007 made at run time
    if origin in (list, dict, tuple, set, frozenset):
        closed = origin[tuple(strict(part) for part in parts)]
        return Annotated[closed, WrapSerializer(_in_order)] if _is_set(origin) else closed
    return hint


def survives_json(core_schema: Any) -> bool:  # noqa: ANN401 pydantic's core schema
    """Return whether every value of the schema is known to come back from JSON as it went in."""
    return all(kind in _FAITHFUL for kind in _types(core_schema))


def stored_problems(values: Mapping[str, Any], text: str) -> dict[str, str]:
    """Return what in `values`, dumped as `text`, the ledger can't hold, by field.

    Looks at the text first, where a look costs next to nothing.
    """
    brackets = text.count("{") + text.count("[")
    if brackets <= MAX_DEPTH and "\\u0000" not in text and not _LONG_NUMBER.search(text):
        return {}
    return problems_in(values)


def problems_in(values: object) -> dict[str, str]:
    """Return what in `values` the ledger can't hold, by field."""
    found: dict[str, str] = {}
    for name, top in values.items() if isinstance(values, Mapping) else ():
        try:
            for place, item in _walk(str(name), top):
                if problem := _problem(item):
                    found[_printable(place)] = problem
        except RecursionError:
            found[_printable(str(name))] = TOO_DEEP
    return found


def _problem(item: object) -> str | None:
    if isinstance(item, str):
        if "\x00" in item:
            return "holds a NUL character, which PostgreSQL can't store; remove it"
        if any("\ud800" <= letter <= "\udfff" for letter in item):
            return "holds half a surrogate pair, which is no text; repair its decoding"
    elif isinstance(item, int) and abs(item) > MAX_INTEGER:
        return "is beyond 64 bits, where readers of JSON differ; pass it as text"
    elif isinstance(item, float) and not math.isfinite(item):
        return "is NaN or infinite, which is not JSON"
    return None


def _walk(place: str, value: object, depth: int = 1) -> Iterator[tuple[str, object]]:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield place, key
            yield from _walk(f"{place}.{key}", item, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from _walk(f"{place}.{index}", item, depth + 1)
    else:
        yield place, value


def _types(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if str(node.get("ref", "")).startswith("pydantic.types.JsonValue:") or _is_ours(node):
            return
        kind = node.get("type")
        if isinstance(kind, str):
            yield kind
        for name, item in node.items():
            if name not in ("metadata", "serialization", "config", "cls", "expected", "members"):
                yield from _types(item)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _types(item)


def _is_ours(node: Mapping[str, Any]) -> bool:
    function = node.get("function")
    return isinstance(function, dict) and function.get("function") is _finite


def _is_set(origin: object) -> bool:
    return origin in (set, frozenset)


def _printable(place: str) -> str:
    return place.encode("utf-8", "replace").decode().replace("\x00", "�")
