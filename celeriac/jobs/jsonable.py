"""What may stand in a job's arguments: JSON that comes back as it went in. Pure: no Django.

PostgreSQL's jsonb takes no NUL and no lone surrogate, and keeps no NaN; numbers
beyond 64 bits and deep nesting are where JSON's readers begin to differ.
"""

import json
import math
import re
from collections import abc, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, time, timezone, tzinfo
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, NewType, TypeAliasType, Union, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, JsonValue, WrapSerializer, WrapValidator
from pydantic_core import TzInfo

MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1
TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"

_LONG_NUMBER = re.compile(r"\d{19}")
#: A number with an exponent, or a text that holds what looks like one.
_EXPONENT = re.compile(r"[\[:,]\s*-?\d+(?:\.\d+)?[eE]")
#: Offsets without a name.
_FIXED = (timezone, TzInfo)


def _finite(value: Any) -> Any:
    try:
        finite = all(math.isfinite(item) for _, item in _walk("", value) if type(item) is float)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not finite:
        raise ValueError("NaN and Infinity are not JSON")
    return value


def _in_order(value: Any, handler: Callable[[Any], Any]) -> Any:
    # A set's order changes from process to process; equal arguments must read equal.
    return sorted(handler(value), key=repr)


def _with_zone(value: Any, handler: Callable[[Any], Any]) -> Any:
    text = handler(value)
    zone = value.tzinfo if isinstance(value, datetime) else None
    return f"{text}[{zone.key}]" if isinstance(zone, ZoneInfo) and zone.key else text


def _in_zone(value: Any, handler: Callable[[Any], Any]) -> Any:
    if not (isinstance(value, str) and value.endswith("]")):
        return handler(value)
    text, _, name = value[:-1].partition("[")
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # zoneinfo's ways to say no
        raise ValueError(f"names the time zone {name!r}, which is not known here") from error
    moment = handler(text)
    try:
        return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    except OverflowError as error:
        raise ValueError(f"is beyond the years 1 to 9999 in {name}") from error


#: A moment whose zone has a name keeps it, as RFC 9557 writes it.
Zoned = Annotated[datetime, WrapSerializer(_with_zone), WrapValidator(_in_zone)]
#: Any JSON value; an object, a set or a tuple would come back as something else.
Json = Annotated[JsonValue, AfterValidator(_finite)]

_BARE: dict[Any, Any] = {
    Any: Json,
    object: Json,
    JsonValue: Json,
    dict: dict[str, Json],
    list: list[Json],
    datetime: Zoned,
}
#: Abstract collections by the one that JSON has for them; what stays open in them is any value.
_CONCRETE: dict[Any, Any] = {
    **dict.fromkeys((abc.Iterable, abc.Collection, abc.Sequence, abc.MutableSequence), list),
    **dict.fromkeys((abc.Mapping, abc.MutableMapping), dict),
    **dict.fromkeys((abc.Set, abc.MutableSet), set),
}
_PLAIN = frozenset((str, int, float, bool, type(None), UUID, Decimal))
_ONCE = (abc.Iterator, abc.Generator, abc.AsyncIterable, abc.AsyncIterator, abc.AsyncGenerator)


def strict(hint: Any, within: tuple[Any, ...] = ()) -> Any:
    """Return `hint` with every open place in it closed to JSON values.

    Raises TypeError for what can be read only once. `within` are the aliases that it stands in: one
    that names itself stays a name.
    """
    if isinstance(hint, NewType):
        return strict(hint.__supertype__, within)
    if isinstance(hint, TypeAliasType):
        return hint if hint in within else strict(hint.__value__, (*within, hint))
    if hint in _CONCRETE:
        return strict(_CONCRETE[hint], within)
    if hint in (set, frozenset):
        return Annotated[hint, WrapSerializer(_in_order)]
    if isinstance(hint, type) and hint in _BARE:
        return _BARE[hint]
    if hint in (Any, JsonValue):
        return Json
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _ONCE or origin in _ONCE:
        raise TypeError(f"{hint} can be read only once, and a job may run again: use a list.")
    if origin in _CONCRETE:
        return strict(_CONCRETE[origin][parts], within)
    if origin is Annotated:
        return Annotated[(strict(parts[0], within), *parts[1:])]
    if origin in (Union, UnionType):
        return Union[tuple(strict(part, within) for part in parts)]  # noqa: UP007 made at run time
    if origin in (list, dict, tuple, set, frozenset):
        closed = origin[tuple(strict(part, within) for part in parts)]
        return (
            Annotated[closed, WrapSerializer(_in_order)] if origin in (set, frozenset) else closed
        )
    return hint


def stored(text: str) -> str:
    """Return the JSON text as jsonb gives it back, but for the order of keys and white space.

    Its numbers are decimals without an exponent: `1e16`, a float, is an integer afterwards.
    """
    if not _EXPONENT.search(text):
        return text
    return json.dumps(json.loads(text, parse_float=_of_jsonb))


def _of_jsonb(number: str) -> int | float:
    value = Decimal(number)
    is_whole = "e" in number.lower() and value == value.to_integral_value()
    return int(value) if is_whole else float(number)


def is_same(went: Any, came: Any) -> bool:
    """Return whether a value that came back is the one that went in, in type and value."""
    kind = type(came)
    if type(went) is not kind:
        return False
    if kind in _PLAIN:
        return bool(went == came)
    if kind is dict:  # by hand: every call of enqueue comes by
        for (name, before), (key, item) in zip(went.items(), came.items(), strict=False):
            if not (is_same(name, key) and is_same(before, item)):
                return False
        return len(went) == len(came)
    return _is_same_value(went, came)


def _is_same_value(went: Any, came: Any) -> bool:
    match came:
        case list() | tuple() | deque():
            whole = getattr(went, "maxlen", None) == getattr(came, "maxlen", None)
            return whole and len(went) == len(came) and all(map(is_same, went, came))
        case set() | frozenset():
            own = {item: item for item in went}
            return bool(went == came) and all(is_same(own[item], item) for item in came)
        case datetime():
            same_zone = _is_same_zone(went.tzinfo, came.tzinfo)
            return (
                same_zone
                and went.replace(tzinfo=None) == came.replace(tzinfo=None)
                and went.utcoffset() == came.utcoffset()
                and (came.tzinfo is not None or went.fold == came.fold)
            )
        case time():
            same_zone = _is_same_zone(went.tzinfo, came.tzinfo)
            return went == came and same_zone and went.fold == came.fold
        case BaseModel():
            return bool(went == came) and is_same(vars(went), vars(came))
        case _ if is_dataclass(came):
            names = [field.name for field in fields(came)]
            pairs = ((getattr(went, name), getattr(came, name)) for name in names)
            return bool(went == came) and all(is_same(*pair) for pair in pairs)
        case _:
            return bool(went == came)


def _is_same_zone(went: tzinfo | None, came: tzinfo | None) -> bool:
    if isinstance(went, _FIXED) and isinstance(came, _FIXED):
        return True  # their offsets are compared
    return went is came or (isinstance(went, ZoneInfo) and went == came)


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


def _printable(place: str) -> str:
    return place.encode("utf-8", "replace").decode().replace("\x00", "�")
